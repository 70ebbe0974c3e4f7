//! Requests and answers as bytes on a stream of their own: `length u32 ‖ message`. Decoding happens elsewhere,
//! off the connection's task.
//!
//! With its length in front, an answer that breaks off (a line that fails, a node that stops or refuses) is no
//! answer, and nobody's misbehaviour; only a whole one that is no message is.

use crate::event::Received;
use cairn_ledger::codec::DecodeError;
use libp2p::futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use std::io;

/// Reads whole messages up to a bound, and writes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BytesCodec {
    /// The longest request.
    pub(crate) max_request: usize,
    /// The longest answer.
    pub(crate) max_response: usize,
}

/// Reads a message. A length above `max` is refused before anything is allocated for it.
async fn read<T: AsyncRead + Unpin + Send>(io: &mut T, max: usize) -> io::Result<Received> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let got = u32::from_le_bytes(length) as usize;
    if got > max {
        return Ok(Err(DecodeError::TooLong { got, max }));
    }
    // Memory follows what has come, not what was claimed.
    let mut bytes = Vec::new();
    io.take(got as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < got { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(Ok(bytes)) }
}

async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, message: Received) -> io::Result<()> {
    // What this node sends is always whole.
    let bytes = message.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let length = u32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    io.write_all(&length.to_le_bytes()).await?;
    io.write_all(&bytes).await
}

impl request_response::Codec for BytesCodec {
    type Protocol = StreamProtocol;
    type Request = Received;
    type Response = Received;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Received>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, self.max_request).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Received>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, self.max_response).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Received) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, request).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Received) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, response).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::futures::io::Cursor;

    async fn read_from(bytes: Vec<u8>, max: usize) -> Result<Received, io::ErrorKind> {
        read(&mut Cursor::new(bytes), max).await.map_err(|error| error.kind())
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        let mut stream = Cursor::new(Vec::new());
        assert!(write(&mut stream, Ok(vec![1, 2, 3])).await.is_ok());
        assert_eq!(stream.get_ref(), &[3, 0, 0, 0, 1, 2, 3]);
        assert_eq!(read_from(stream.into_inner(), 3).await, Ok(Ok(vec![1, 2, 3])));
    }

    #[tokio::test]
    async fn a_length_bomb_is_refused_before_allocation() {
        let refused = Err(DecodeError::TooLong { got: u32::MAX as usize, max: 10 });
        assert_eq!(read_from(vec![0xff; 100], 10).await, Ok(refused));
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_no_answer() {
        for bytes in [vec![], vec![3, 0], vec![3, 0, 0, 0], vec![3, 0, 0, 0, 1, 2]] {
            assert_eq!(read_from(bytes, 10).await, Err(io::ErrorKind::UnexpectedEof));
        }
    }
}

#[cfg(test)]
mod fuzz;
