//! Requests and answers as bytes on a stream of their own. Decoding happens elsewhere, off the
//! connection's task.

use libp2p::{
    StreamProtocol,
    futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    request_response,
};
use std::io;

/// Reads whole messages up to a bound, and writes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct BytesCodec {
    /// The longest request.
    pub(super) max_request: usize,
    /// The longest answer.
    pub(super) max_response: usize,
}

/// Reads to the end of the stream, but at most one byte more than `max`: whoever decodes sees that it is
/// too long, and memory is never spent on the rest.
async fn read<T: AsyncRead + Unpin + Send>(io: &mut T, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.take(max as u64 + 1).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

impl request_response::Codec for BytesCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, self.max_request).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, self.max_response).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&request).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&response).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::futures::io::Cursor;

    #[tokio::test]
    async fn an_endless_message_is_cut_one_byte_after_its_bound() {
        assert_eq!(read(&mut Cursor::new(vec![7; 1000]), 10).await.map(|bytes| bytes.len()).ok(), Some(11));
        assert_eq!(read(&mut Cursor::new(vec![7; 10]), 10).await.map(|bytes| bytes.len()).ok(), Some(10));
    }
}
