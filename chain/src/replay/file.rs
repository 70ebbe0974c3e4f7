//! A file of blocks.
//!
//! ```text
//! file   = "cairnblk" ‖ version u32 (=1) ‖ genesis id 32 ‖ record*
//! record = length u32 ‖ block, its canonical bytes
//! ```
//! Integers are little-endian. Blocks stand in the order of their heights, each after its parent; block 0 is
//! never among them, for the genesis id says all of it. No count and no index: a file can be continued at its
//! end, cut between two records, and read from a pipe's output while it grows.

use cairn_ledger::block::{BLOCK_OVERHEAD_BYTES, HEADER_BYTES, MAX_BLOCK_BYTES};
use cairn_ledger::codec::{DecodeError, encode};
use cairn_ledger::{Block, BlockId, Header};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How every file of blocks begins.
const MAGIC: [u8; 8] = *b"cairnblk";
/// The version this program reads and writes.
const VERSION: u32 = 1;
/// What stands before the first record.
const PREAMBLE: usize = 8 + 4 + 32;
/// Bytes read or written at once.
const BUFFER: usize = 1 << 20;

/// Why a file of blocks cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say what the fields are")]
pub enum FileError {
    /// The system refuses.
    #[error("cannot use {}: {reason}", path.display())]
    Refused { path: PathBuf, reason: io::Error },
    /// It would have to be overwritten.
    #[error("{} exists: choose another name, or say --append to continue it", path.display())]
    Exists { path: PathBuf },
    /// Another kind of file.
    #[error("{} is no file of blocks: it begins with {got}, expected {} (\"cairnblk\")", path.display(), hex::encode(MAGIC))]
    NotBlocks { path: PathBuf, got: String },
    /// A file of another version of this program.
    #[error("{} has version {got}, this program reads version {VERSION}; use the program that wrote it", path.display())]
    Version { path: PathBuf, got: u32 },
    /// A file of another network.
    #[error("{} holds blocks of the network {got}, expected {expected}; name its network with --chain", path.display())]
    OtherNetwork { path: PathBuf, got: BlockId, expected: BlockId },
    /// It ends inside a record.
    #[error("{} ends inside a block that begins at byte {offset}; get the file again, all before that byte is good", path.display())]
    Truncated { path: PathBuf, offset: u64 },
    /// A length that no block has, as trailing garbage shows.
    #[error(
        "{} holds something else than a block at byte {offset}: got a length of {got}, \
         expected {BLOCK_OVERHEAD_BYTES} to {MAX_BLOCK_BYTES}; get the file again, all before that byte is good",
        path.display()
    )]
    Length { path: PathBuf, offset: u64, got: u32 },
    /// A record that is no block.
    #[error("{} holds something else than a block at byte {offset}: {reason}; get the file again", path.display())]
    Undecodable { path: PathBuf, offset: u64, reason: DecodeError },
}

/// A file of blocks, being read.
#[derive(Debug)]
pub struct BlockFile {
    path: PathBuf,
    genesis_id: BlockId,
    reader: BufReader<File>,
    offset: u64,
    bytes: u64,
}

impl BlockFile {
    /// Opens a file of blocks of the network `genesis_id`.
    ///
    /// # Errors
    /// It cannot be read, is of another kind, or of another network.
    pub fn open(path: &Path, genesis_id: BlockId) -> Result<Self, FileError> {
        let file = File::open(path).map_err(refused(path))?;
        let bytes = file.metadata().map_err(refused(path))?.len();
        let mut reader = BufReader::with_capacity(BUFFER, file);
        let mut preamble = Vec::with_capacity(PREAMBLE);
        let mut limited = reader.by_ref().take(PREAMBLE as u64);
        limited.read_to_end(&mut preamble).map_err(refused(path))?;
        check_preamble(path, &preamble, genesis_id)?;
        Ok(Self { path: path.to_owned(), genesis_id, reader, offset: PREAMBLE as u64, bytes })
    }

    /// The same file, read from its first block on.
    ///
    /// # Errors
    /// It cannot be read again.
    pub(super) fn again(&self) -> Result<Self, FileError> {
        Self::open(&self.path, self.genesis_id)
    }

    /// Its size in bytes when it was opened; of a pipe, nothing.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where the next record begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next block, or `None` at the end.
    ///
    /// # Errors
    /// What follows is no record.
    pub fn next_block(&mut self) -> Result<Option<Block>, FileError> {
        let Some(length) = self.next_length()? else { return Ok(None) };
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        let offset = self.offset;
        let undecodable = |reason| FileError::Undecodable { path: self.path.clone(), offset, reason };
        let block = Block::from_bytes(&bytes).map_err(undecodable)?;
        self.offset += 4 + length as u64;
        Ok(Some(block))
    }

    /// The header of the next block, without the rest of it; `None` at the end.
    pub(super) fn next_header(&mut self) -> Result<Option<Header>, FileError> {
        let Some(length) = self.next_length()? else { return Ok(None) };
        let offset = self.offset;
        if self.bytes < offset + 4 + length as u64 {
            return Err(FileError::Truncated { path: self.path.clone(), offset });
        }
        let mut bytes = [0; HEADER_BYTES];
        self.fill(&mut bytes)?;
        let undecodable = |reason| FileError::Undecodable { path: self.path.clone(), offset, reason };
        let header = Header::from_bytes(&bytes).map_err(undecodable)?;
        // At most 3 MiB: it fits every integer there is.
        self.reader.seek_relative((length - HEADER_BYTES) as i64).map_err(refused(&self.path))?;
        self.offset += 4 + length as u64;
        Ok(Some(header))
    }

    /// The length of the next record, judged before anything is allocated for it.
    fn next_length(&mut self) -> Result<Option<usize>, FileError> {
        let mut bytes = Vec::with_capacity(4);
        self.reader.by_ref().take(4).read_to_end(&mut bytes).map_err(refused(&self.path))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let truncated = |_| FileError::Truncated { path: self.path.clone(), offset: self.offset };
        let got = u32::from_le_bytes(bytes.try_into().map_err(truncated)?);
        let length = got as usize;
        if !(BLOCK_OVERHEAD_BYTES..=MAX_BLOCK_BYTES).contains(&length) {
            return Err(FileError::Length { path: self.path.clone(), offset: self.offset, got });
        }
        Ok(Some(length))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), FileError> {
        self.reader.read_exact(bytes).map_err(|reason| match reason.kind() {
            io::ErrorKind::UnexpectedEof => FileError::Truncated { path: self.path.clone(), offset: self.offset },
            _ => refused(&self.path)(reason),
        })
    }
}

fn check_preamble(path: &Path, bytes: &[u8], expected: BlockId) -> Result<(), FileError> {
    let path = path.to_owned();
    let (magic, rest) = bytes.split_at(bytes.len().min(MAGIC.len()));
    let (version, id) = rest.split_at(rest.len().min(4));
    let not_blocks = || FileError::NotBlocks { path: path.clone(), got: hex::encode(magic) };
    if magic != MAGIC {
        return Err(not_blocks());
    }
    let version = u32::from_le_bytes(version.try_into().map_err(|_| not_blocks())?);
    if version != VERSION {
        return Err(FileError::Version { path, got: version });
    }
    let got = BlockId::from_bytes(id.try_into().map_err(|_| FileError::Truncated { path: path.clone(), offset: 0 })?);
    if got != expected {
        return Err(FileError::OtherNetwork { path, got, expected });
    }
    Ok(())
}

/// A file of blocks, being written. A new one has its name only once it is whole.
#[derive(Debug)]
pub struct BlockFileWriter {
    path: PathBuf,
    writer: BufWriter<File>,
    /// Where a new file grows until it is whole; `None` for one that is continued in its place.
    growing: Option<PathBuf>,
    bytes: u64,
}

impl BlockFileWriter {
    /// Begins a new file.
    ///
    /// # Errors
    /// There is one of that name, or the system refuses.
    pub fn create(path: &Path, genesis_id: BlockId) -> Result<Self, FileError> {
        if path.exists() {
            return Err(FileError::Exists { path: path.to_owned() });
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let growing = PathBuf::from(name);
        let file = File::create(&growing).map_err(refused(&growing))?;
        let mut writer = BufWriter::with_capacity(BUFFER, file);
        let preamble = [&MAGIC[..], &VERSION.to_le_bytes(), genesis_id.as_bytes()].concat();
        writer.write_all(&preamble).map_err(refused(&growing))?;
        Ok(Self { path: path.to_owned(), writer, growing: Some(growing), bytes: preamble.len() as u64 })
    }

    /// Opens a file to be continued after its last whole block, and gives that block's header; a record that
    /// an earlier run had not finished is cut off.
    ///
    /// # Errors
    /// It is no file of blocks of the network `genesis_id`, or the system refuses.
    pub fn append(path: &Path, genesis_id: BlockId) -> Result<(Self, Option<Header>), FileError> {
        let mut reader = BlockFile::open(path, genesis_id)?;
        let mut last = None;
        loop {
            match reader.next_header() {
                Ok(Some(header)) => last = Some(header),
                Ok(None) | Err(FileError::Truncated { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        let end = reader.offset();
        let mut file = OpenOptions::new().write(true).open(path).map_err(refused(path))?;
        file.set_len(end).map_err(refused(path))?;
        file.seek(SeekFrom::Start(end)).map_err(refused(path))?;
        let writer = BufWriter::with_capacity(BUFFER, file);
        Ok((Self { path: path.to_owned(), writer, growing: None, bytes: end }, last))
    }

    /// Adds a block.
    ///
    /// # Errors
    /// The system refuses.
    pub fn put(&mut self, block: &Block) -> Result<(), FileError> {
        let bytes = encode(block);
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let written = self.writer.write_all(&length.to_le_bytes()).and_then(|()| self.writer.write_all(&bytes));
        written.map_err(refused(&self.path))?;
        self.bytes += 4 + bytes.len() as u64;
        Ok(())
    }

    /// Makes what was written survive a power cut, gives a new file its name, and says how large it is.
    ///
    /// # Errors
    /// The system refuses.
    pub fn finish(mut self) -> Result<u64, FileError> {
        self.writer.flush().and_then(|()| self.writer.get_ref().sync_all()).map_err(refused(&self.path))?;
        if let Some(growing) = self.growing.take() {
            fs::rename(&growing, &self.path).map_err(refused(&self.path))?;
        }
        Ok(self.bytes)
    }
}

impl Drop for BlockFileWriter {
    fn drop(&mut self) {
        if let Some(growing) = &self.growing {
            // It was given up; if it cannot be removed, it still does not look like a whole file.
            let _ = fs::remove_file(growing);
        }
    }
}

fn refused(path: &Path) -> impl Fn(io::Error) -> FileError {
    let path = path.to_owned();
    move |reason| FileError::Refused { path: path.clone(), reason }
}
