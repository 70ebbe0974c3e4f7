//! Long answers are compressed for whoever reads gzip (RFC 9110, 8.4.1.3): proofs are hex, and half as many bytes then;
//! pages a fifth.

use super::http;
use cairn_common::runtime;
use flate2::{Compression, write::GzEncoder};
use http_body::Body;
use http_body_util::BodyExt;
use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse};
use std::io::Write;

/// Shorter answers fit a packet or two as they are.
const LEAST: usize = 2_048;
/// Longer ones take milliseconds, which hold up nobody else.
const LONG: usize = 64 << 10;

/// Whether whoever asks reads gzip.
pub fn is_accepted<B>(request: &HttpRequest<B>) -> bool {
    let encodings = request.headers().get_all("accept-encoding").iter().filter_map(|value| value.to_str().ok());
    encodings.flat_map(|value| value.split(',')).any(|encoding| {
        let (name, weight) = encoding.split_once(';').unwrap_or((encoding, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_none_or(|weight| weight > 0.0)
    })
}

/// Compresses an answer if it is long; one that cannot be read to its end is an error as before.
pub async fn compress(response: HttpResponse) -> HttpResponse {
    let is_whole = response.status().is_success() && !response.headers().contains_key("content-encoding");
    // One whose length is not known beforehand is a stream.
    let length = Body::size_hint(response.body()).exact().and_then(|length| usize::try_from(length).ok());
    if !is_whole || length.is_none_or(|length| length < LEAST) {
        return response;
    }
    let (head, body) = response.into_parts();
    let Ok(bytes) = body.collect().await.map(|body| body.to_bytes()) else {
        return http::text(500, "the answer could not be read\n");
    };
    let plain = bytes.clone();
    let compressed = match plain.len() < LONG {
        true => gzip(&plain),
        false => runtime::blocking(move || gzip(&plain)).await.ok().flatten(),
    };
    let Some(compressed) = compressed.filter(|compressed| compressed.len() < bytes.len()) else {
        return HttpResponse::from_parts(head, HttpBody::from(bytes.to_vec()));
    };
    let mut response = HttpResponse::from_parts(head, HttpBody::from(compressed));
    response.headers_mut().remove("content-length");
    http::set(&mut response, "content-encoding", "gzip");
    response.headers_mut().append("vary", "accept-encoding".parse().expect("a header's value"));
    response
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
    // Into memory it does not fail.
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;

    #[test]
    fn gzip_is_sent_to_those_alone_who_say_that_they_read_it() {
        let accepts = |value: &str| {
            is_accepted(&HttpRequest::<()>::builder().header("accept-encoding", value).body(()).expect("a request"))
        };
        assert!(accepts("gzip") && accepts("br, GZIP;q=0.5") && accepts("deflate,gzip; q=1"));
        assert!(!accepts("br") && !accepts("gzip;q=0") && !accepts("gzip2") && !accepts(""));
        assert!(!is_accepted(&HttpRequest::<()>::builder().body(()).expect("a request")));
    }

    #[tokio::test]
    async fn long_answers_are_compressed_and_read_the_same() {
        for length in [10, LEAST - 1, LEAST, LONG * 3] {
            let plain = "0123456789abcdef".repeat(length / 16 + 1)[..length].to_owned();
            let mut response = compress(http::text(200, plain.clone())).await;
            let is_compressed = response.headers().contains_key("content-encoding");
            assert_eq!(is_compressed, length >= LEAST);
            let bytes = response.body_mut().collect().await.expect("a body").to_bytes();
            let mut read = String::new();
            match is_compressed {
                true => _ = GzDecoder::new(&bytes[..]).read_to_string(&mut read).expect("gzip"),
                false => read = String::from_utf8(bytes.to_vec()).expect("text"),
            }
            assert_eq!(read, plain);
        }
        let refused = compress(http::text(404, "x".repeat(LEAST))).await;
        assert!(!refused.headers().contains_key("content-encoding"));
    }
}
