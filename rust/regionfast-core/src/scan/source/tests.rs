#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::io::Write;

use flate2::write::GzEncoder;

use super::*;

/// A source of these bytes.
pub(in crate::scan) fn source(bytes: &[u8]) -> Source {
    Source::of(Cursor::new(bytes.to_vec()), Some(bytes.len() as u64), Box::new(|| true)).unwrap()
}

pub(in crate::scan) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// All that comes, read in pieces of some size, and why it ended.
fn all(bytes: &[u8], size: usize) -> (Vec<u8>, Option<String>) {
    let mut source = source(bytes);
    let (mut buffer, mut read) = (vec![0; size], Vec::new());
    loop {
        match source.read(&mut buffer) {
            0 => return (read, source.failure().map(str::to_owned)),
            count => read.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Text that does not pack to nothing.
fn text() -> Vec<u8> {
    (0..60_000_u32).flat_map(|nth| format!("{}\n", nth.wrapping_mul(0x9e37_79b9)).into_bytes()).collect()
}

#[test]
fn every_form_gives_the_bytes_in_it() {
    let text = text();
    let members = [gzip(&text[..1000]), gzip(&[]), gzip(&text[1000..])].concat();
    let skipped = [&b"\x53\x2a\x4d\x18\x03\x00\x00\x00abc"[..], &zstd(&text)].concat();
    let frames = [zstd(&text[..1000]), zstd(&[]), zstd(&text[1000..])].concat();
    for (bytes, form) in [
        (&text, Compression::None),
        (&gzip(&text), Compression::Gzip),
        (&members, Compression::Gzip),
        (&zstd(&text), Compression::Zstd),
        (&frames, Compression::Zstd),
        (&skipped, Compression::Zstd),
    ] {
        let source = source(bytes);
        assert_eq!((source.compression(), source.size()), (form, Some(bytes.len() as u64)));
        for size in [1000, 1 << 18] {
            assert_eq!(all(bytes, size), (text.clone(), None), "{form:?}");
        }
    }
}

#[test]
fn what_is_cut_gives_what_came_before_and_says_so() {
    let text = text();
    for (packed, form) in [(gzip(&text), "gzip"), (zstd(&text), "zstd")] {
        for cut in [5, 30, packed.len() / 2, packed.len() - 1] {
            let (read, failure) = all(&packed[..cut], 1 << 16);
            assert!(text.starts_with(&read), "{form} at {cut}");
            assert_eq!(failure.unwrap(), format!("the {form} data is damaged or incomplete"), "at {cut}");
        }
        let mut damaged = packed.clone();
        damaged[packed.len() / 2] ^= 0x55;
        let (_, failure) = all(&damaged, 1 << 16);
        assert_eq!(failure.unwrap(), format!("the {form} data is damaged or incomplete"));
    }
}

#[test]
fn a_mark_of_utf8_is_no_part_of_the_text() {
    for bytes in [b"\xef\xbb\xbfa\nb".to_vec(), gzip(b"\xef\xbb\xbfa\nb")] {
        assert_eq!(all(&bytes, 100), (b"a\nb".to_vec(), None));
        assert_eq!(source(&bytes).mark(), 3);
    }
    for short in [&b""[..], b"\xef", b"\xef\xbb", b"\x1f", b"\x28\xb5"] {
        assert_eq!(all(short, 100), (short.to_vec(), None));
    }
    assert_eq!(all(b"\xef\xbb\xbf", 100), (Vec::new(), None));
}

#[test]
fn what_was_looked_at_is_read_again() {
    let text = text();
    let mut source = source(&gzip(&text));
    assert_eq!(source.peek(10), &text[..10]);
    assert_eq!(source.peek(1 << 16), &text[..1 << 16]);
    assert_eq!(source.peek(3), &text[..3]);
    let mut buffer = vec![0; text.len() + 1];
    let first = source.read(&mut buffer[..100_000]);
    assert_eq!(buffer[..first], text[..100_000]);
    assert_eq!(source.read(&mut buffer), text.len() - 100_000);
    assert_eq!(source.peek(1), b"");
}

#[test]
fn a_directory_is_no_log() {
    let directory = File::open(std::env::temp_dir()).unwrap();
    assert_eq!(Source::new(directory, Box::new(|| true)).err().unwrap().kind(), ErrorKind::IsADirectory);
}

/// A pipe that is interrupted before each byte.
struct Silent(Vec<u8>, bool);

impl Read for Silent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(ErrorKind::Interrupted.into());
        }
        let Some(byte) = self.0.pop() else { return Ok(0) };
        buffer[0] = byte;
        Ok(1)
    }
}

#[test]
fn a_signal_asks_whether_to_read_on() {
    let mut source = Source::of(Silent(b"cba".to_vec(), false), None, Box::new(|| true)).unwrap();
    assert!(source.is_live());
    assert_eq!(source.peek(100), b"abc");
    assert_eq!(source.failure(), None);
    let asked = AtomicU64::new(0);
    let go_on = move || asked.fetch_add(1, Ordering::Relaxed) < 6;
    let mut source = Source::of(Silent(b"gfedcba".to_vec(), false), None, Box::new(go_on)).unwrap();
    assert_eq!(source.peek(100), b"abcdef");
    assert_eq!(source.failure(), Some("cannot be read to its end: stopped"));
    assert!(Source::of(Silent(b"a".to_vec(), false), None, Box::new(|| false)).is_err());
}

#[test]
fn a_live_source_gives_what_is_there() {
    let mut source = Source::of(Silent(b"fedcba".to_vec(), false), None, Box::new(|| true)).unwrap();
    let mut buffer = [0; 100];
    let mut read = || source.read(&mut buffer);
    // Three were looked at already, for a mark of UTF-8.
    assert_eq!([read(), read(), read(), read(), read()], [3, 1, 1, 1, 0]);
}
