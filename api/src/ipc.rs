//! The Unix socket in a node's data directory, at which the node's own tools reach it: whatever `rpc.listen` says, and
//! however many callers hold the places of that port.
//!
//! Who may speak there is told by the kernel, not by a token: the user whom the node runs as, and root.

use std::fs::{self, File, Permissions};
use std::path::{Path, PathBuf};
use std::{io, os::fd::AsRawFd, os::unix::fs::PermissionsExt, os::unix::net};
use tokio::net::{UnixListener, UnixStream};

/// The socket's name in the data directory.
pub const SOCKET_NAME: &str = "rpc.sock";

/// A socket that listens; its file goes with it.
#[derive(Debug)]
pub struct IpcListener {
    listener: UnixListener,
    path: PathBuf,
    /// The user whom this process runs as.
    own: u32,
}

impl IpcListener {
    /// Listens in a data directory that this process has locked: a socket that is there already was left by a node that
    /// was killed.
    ///
    /// # Errors
    /// What the system says: a file system without sockets, for one.
    pub fn bind(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(SOCKET_NAME);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let folder = File::open(data_dir)?;
        let listener = net::UnixListener::bind(short_path(&folder))?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        // The kernel says of either end of a pair who made it: this process.
        let own = UnixStream::pair()?.0.peer_cred()?.uid();
        Ok(Self { listener: UnixListener::from_std(listener)?, path, own })
    }

    /// The next connection of a program of this user, or of root. Anybody else's is closed.
    ///
    /// # Errors
    /// What the system says.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            if stream.peer_cred().is_ok_and(|peer| peer.uid() == self.own || peer.uid() == 0) {
                return Ok(stream);
            }
        }
    }
}

impl Drop for IpcListener {
    fn drop(&mut self) {
        // One that stays is removed by the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// Connects to the node that runs on a data directory. Nobody is waited for.
///
/// # Errors
/// There is no socket, or nobody listens on it.
pub async fn connect(data_dir: &Path) -> io::Result<UnixStream> {
    let folder = File::open(data_dir)?;
    UnixStream::connect(short_path(&folder)).await
}

/// The socket's path by way of the open directory: the address of a socket has room for 107 bytes, a path for 4095.
fn short_path(folder: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(SOCKET_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn own_programs_are_known_and_a_socket_that_was_left_is_replaced() -> io::Result<()> {
        let base = tempfile::tempdir()?;
        // Longer than an address of a socket may be.
        let data_dir = base.path().join("d".repeat(120)).join("e".repeat(120));
        fs::create_dir_all(&data_dir)?;
        assert!(connect(&data_dir).await.is_err(), "nobody listens");
        std::mem::forget(IpcListener::bind(&data_dir)?);
        let listener = IpcListener::bind(&data_dir)?;
        assert_eq!(fs::metadata(data_dir.join(SOCKET_NAME))?.permissions().mode() & 0o777, 0o600);
        let mut caller = connect(&data_dir).await?;
        let mut called = listener.accept().await?;
        caller.write_all(b"?").await?;
        assert_eq!(called.read_u8().await?, b'?');
        drop(listener);
        assert!(!data_dir.join(SOCKET_NAME).exists());
        Ok(())
    }
}
