//! Requests and answers as the bytes they are; and the ways in which somebody can be slow about them.

use libp2p::futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use std::{future::pending, io, time::Duration};

/// The most bytes read of a message.
const MOST: u64 = 8 << 20;
/// Between two bytes of whoever reads one at a time.
const TRICKLE: Duration = Duration::from_millis(100);

/// How somebody behaves who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// As nodes do.
    #[default]
    Prompt,
    /// Opens a stream and never says what for.
    Silent,
    /// Asks, and reads the answer one byte at a time.
    ByteByByte,
}

/// Reads and writes bytes as they are, in this manner.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bytes(pub Manner);

async fn read<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.take(MOST).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

impl request_response::Codec for Bytes {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        if self.0 != Manner::ByteByByte {
            return read(io).await;
        }
        let (mut bytes, mut one) = (Vec::new(), [0]);
        while io.read(&mut one).await? == 1 {
            bytes.push(one[0]);
            tokio::time::sleep(TRICKLE).await;
        }
        Ok(bytes)
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match self.0 {
            Manner::Silent => pending().await,
            Manner::Prompt | Manner::ByteByByte => io.write_all(&request).await,
        }
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&response).await
    }
}

/// A message with its length in front, as nodes write it.
///
/// # Panics
/// It is longer than 4 GiB.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short message");
    [&length.to_le_bytes(), message].concat()
}
