//! Whether the pages of a column come to what their headers say.
//!
//! Some decoders stop at the size in the header of a page, and some go on to the end of what is compressed, however much that is. What
//! these come to is found out before, without keeping it.

use std::io::{self, Read};

use parquet::basic::Compression;

use super::header::Header;

/// Whether the decoder of a codec goes on to the end, whatever the header says. That of LZ4 does where it meets a frame.
fn goes_on(codec: Compression) -> bool {
    matches!(codec, Compression::GZIP(_) | Compression::BROTLI(_) | Compression::LZ4)
}

/// The first of some pages, with their bytes after the headers, that comes to more than its header says.
pub(super) fn first_that_is_not<'p>(
    codec: Compression,
    pages: &'p [Header],
    bytes: impl Fn(&Header) -> Option<&'p [u8]>,
) -> Option<&'p Header> {
    if !goes_on(codec) {
        return None;
    }
    pages.iter().find(|page| bytes(page).is_some_and(|body| !is_honest(codec, page, body)))
}

fn is_honest(codec: Compression, page: &Header, body: &[u8]) -> bool {
    // Levels of the second version of data pages stand before, as they are.
    let levels = usize::try_from(page.levels).unwrap_or_default();
    let packed = body.get(levels..).unwrap_or_default();
    let most = u64::try_from(page.uncompressed - page.levels).unwrap_or_default();
    let found = match codec {
        _ if page.is_stored || packed.is_empty() => return true,
        Compression::GZIP(_) => length(flate2::read::MultiGzDecoder::new(packed), most),
        Compression::BROTLI(_) => length(brotli::Decompressor::new(packed, 4096), most),
        _ => length(lz4_flex::frame::FrameDecoder::new(packed), most),
    };
    // What is broken, the decoder will say.
    found.is_none_or(|length| length <= most)
}

/// The length of what is decompressed, as far as it is at most one more than `most`; `None` where that fails.
fn length(reader: impl Read, most: u64) -> Option<u64> {
    io::copy(&mut reader.take(most.saturating_add(1)), &mut io::sink()).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_page_that_comes_to_more_than_it_says_is_found() {
        let text = vec![b'x'; 100_000];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&text).unwrap();
        let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
        brotli.write_all(&text).unwrap();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&text).unwrap();
        for (codec, packed) in [
            (Compression::GZIP(parquet::basic::GzipLevel::default()), gzip.finish().unwrap()),
            (Compression::BROTLI(parquet::basic::BrotliLevel::default()), brotli.into_inner()),
            (Compression::LZ4, lz4.finish().unwrap()),
        ] {
            for (uncompressed, levels, is_stored, honest) in [
                (100_000, 0, false, true),
                (100_003, 3, false, true),
                (99_999, 0, false, false),
                (100_002, 3, false, false),
                (0, 0, false, false),
                (10, 0, true, true),
            ] {
                let page = Header { uncompressed, levels, is_stored, ..Header::default() };
                let body = [&b"lev"[..usize::try_from(levels).unwrap()], &packed].concat();
                let pages = [page];
                let found = first_that_is_not(codec, &pages, |_| Some(&body));
                assert_eq!(found.is_none(), honest, "{codec:?}: {page:?}");
            }
            let broken = &packed[..packed.len() / 2];
            let page = Header { uncompressed: 100_000, ..Header::default() };
            assert!(is_honest(codec, &page, broken), "{codec:?}");
        }
        assert!(!goes_on(Compression::SNAPPY) && !goes_on(Compression::ZSTD(parquet::basic::ZstdLevel::default())));
    }
}
