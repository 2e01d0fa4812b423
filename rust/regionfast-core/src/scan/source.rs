//! What is read: a file or a pipe, unpacked where it is packed.
//!
//! Files are read, never mapped: one that is cut while it is read ends early, where a mapped one would kill the
//! process. Packed data is known by its first bytes, whatever the file is called.

use std::fs::File;
use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

/// RFC 1952 section 2.3.1.
const GZIP: &[u8] = b"\x1f\x8b";
/// RFC 8878 section 3.1.1, as it stands in a file; a file may also begin with a frame to be skipped, section 3.1.2.
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// The mark of UTF-8, which some editors and IIS write at the front of a file.
const BOM: &[u8] = b"\xef\xbb\xbf";
/// Bytes that are read from a packed file at once.
const PACKED: usize = 1 << 17;

/// Whether to read on, after a signal.
pub type GoOn = Box<dyn Fn() -> bool + Send + Sync>;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// It is not.
    None,
    /// RFC 1952, one member or several behind each other.
    Gzip,
    /// RFC 8878, one frame or several behind each other.
    Zstd,
}

impl Compression {
    /// `none`, `gzip` or `zstd`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Bytes of a log, from the first to the last, without a mark of UTF-8 at the front.
pub struct Source {
    unpacked: Box<dyn Read + Send>,
    compression: Compression,
    size: Option<u64>,
    position: Arc<AtomicU64>,
    /// What was looked at and not read yet.
    ahead: Vec<u8>,
    /// How many bytes the mark at the front has.
    mark: usize,
    is_ended: bool,
    failure: Option<String>,
}

impl Source {
    /// The most bytes that can be looked at before they are read.
    pub const AHEAD: usize = 1 << 24;

    /// The bytes of a file or a pipe, from where it stands. For `go_on` see [`Source::of`].
    ///
    /// # Errors
    /// What the system says when the first bytes cannot be read; a directory is [`ErrorKind::IsADirectory`].
    pub fn new(file: File, go_on: GoOn) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        Self::of(file, metadata.is_file().then_some(metadata.len()), go_on)
    }

    /// The bytes of anything that is read, stored in so many bytes where that is known.
    ///
    /// Whenever a signal comes in while it waits, `go_on` is asked whether to wait on: else a pipe that falls silent
    /// could not be left.
    ///
    /// # Errors
    /// What is said when the first bytes cannot be read.
    pub fn of(stored: impl Read + Send + 'static, size: Option<u64>, go_on: GoOn) -> io::Result<Self> {
        let position = Arc::new(AtomicU64::new(0));
        let mut stored = Counted { stored, position: Arc::clone(&position), go_on };
        let mut first = [0; ZSTD.len()];
        let mut len = 0;
        while let Some(free) = first.get_mut(len..).filter(|free| !free.is_empty()) {
            match stored.read(free)? {
                0 => break,
                more => len += more,
            }
        }
        let first = first.get(..len).unwrap_or_default().to_vec();
        let compression = match () {
            () if first.starts_with(GZIP) => Compression::Gzip,
            () if first == ZSTD || is_skippable(&first) => Compression::Zstd,
            () => Compression::None,
        };
        let whole = Cursor::new(first).chain(stored);
        let unpacked: Box<dyn Read + Send> = match compression {
            Compression::None => Box::new(whole),
            Compression::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(PACKED, whole))),
            Compression::Zstd => {
                let packed = BufReader::with_capacity(PACKED, whole);
                Box::new(zstd::stream::read::Decoder::with_buffer(packed)?)
            }
        };
        let mut source =
            Self { unpacked, compression, size, position, ahead: Vec::new(), mark: 0, is_ended: false, failure: None };
        if source.peek(BOM.len()).starts_with(BOM) {
            source.ahead.drain(..BOM.len());
            source.mark = BOM.len();
        }
        Ok(source)
    }

    /// How the file is packed.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Bytes of the file as it is stored, when it was opened; `None` where the system does not know, as of a pipe.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// How many of these were read so far; it goes on while others read.
    #[must_use]
    pub fn position(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.position)
    }

    /// Whether what is read comes from somebody who may still be writing it.
    pub(super) fn is_live(&self) -> bool {
        self.size.is_none() && self.compression == Compression::None
    }

    /// The bytes of the mark that was dropped at the front.
    pub(super) fn mark(&self) -> usize {
        self.mark
    }

    /// Why it ended before its end, where it did.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The next bytes, which are read again later; fewer than `size` only where no more come, and at most
    /// [`Source::AHEAD`].
    pub fn peek(&mut self, size: usize) -> &[u8] {
        let size = size.min(Self::AHEAD);
        let before = self.ahead.len();
        if before < size {
            let mut ahead = std::mem::take(&mut self.ahead);
            ahead.resize(size, 0);
            let mut len = before;
            while let Some(free) = ahead.get_mut(len..).filter(|free| !free.is_empty()) {
                match self.read_once(free) {
                    0 => break,
                    more => len += more,
                }
            }
            ahead.truncate(len);
            self.ahead = ahead;
        }
        self.ahead.get(..size).unwrap_or(&self.ahead)
    }

    /// Fills a buffer from its front: all of it, unless the end comes first. Of a live source it is what is there.
    /// 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let mut len = self.ahead.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(self.ahead.drain(..len)) {
            *to = from;
        }
        if len > 0 && self.is_live() {
            return len;
        }
        while let Some(free) = buffer.get_mut(len..).filter(|free| !free.is_empty()) {
            match self.read_once(free) {
                0 => break,
                more => len += more,
            }
            if self.is_live() {
                break;
            }
        }
        len
    }

    fn read_once(&mut self, free: &mut [u8]) -> usize {
        if self.is_ended {
            return 0;
        }
        let count = match self.unpacked.read(free) {
            Ok(count) => count,
            Err(error) => {
                self.failure = Some(self.said(&error));
                0
            }
        };
        self.is_ended = count == 0;
        count
    }

    fn said(&self, error: &io::Error) -> String {
        // Errors of the system have its number; what remains is said of the data by whoever unpacks them.
        if self.compression == Compression::Zstd && error.to_string().contains("too much memory") {
            return "the zstd data needs a window above 128 MiB: unpack it with `zstd -dc --long=31` and read the pipe"
                .into();
        }
        if error.raw_os_error().is_some() || self.compression == Compression::None {
            return format!("cannot be read to its end: {error}");
        }
        format!("the {} data is damaged or incomplete", self.compression.name())
    }
}

/// Whether a frame is to be skipped: `pzstd` and others write one first.
fn is_skippable(first: &[u8]) -> bool {
    matches!(first, [0x50..=0x5f, 0x2a, 0x4d, 0x18])
}

/// What says how far it was read.
struct Counted<R> {
    stored: R,
    position: Arc<AtomicU64>,
    go_on: GoOn,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = loop {
            match self.stored.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted && (self.go_on)() => {}
                // Of another kind, since who reads through a decoder would ask again.
                Err(error) if error.kind() == ErrorKind::Interrupted => return Err(io::Error::other("stopped")),
                done => break done?,
            }
        };
        self.position.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
pub(super) mod tests;
