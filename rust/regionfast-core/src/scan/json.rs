//! JSON Lines: one object of RFC 8259 a line, and what it has at the paths that are wanted.
//!
//! A line is checked whole, also behind the last wanted value: what is not JSON from end to end is no row. Four
//! things go further than the grammar, or less far:
//!
//! * Of equal names in one object the last counts (RFC 8259 section 4 leaves it open), whatever its value is.
//! * Objects and arrays in each other more than 128 deep are refused, so that no line can exhaust the stack.
//! * Bytes in a text need not be UTF-8.
//! * A surrogate without its other half becomes U+FFFD when a text is taken; section 8.2 leaves that open too.
//!
//! | work | cost |
//! |---|---|
//! | a line | O(its length), one pass; only a wanted value is looked at twice |
//! | a name | a comparison with each wanted name of its object; none in an object that is on no path |
//! | memory | none but the cells, unless a text has escapes or texts are put together |

use std::borrow::Cow;

use memchr::memchr;

use super::cell::Cell;

/// Objects and arrays in each other; one more is refused.
const DEEPEST: usize = 128;

/// Bytes that are searched at once for the end of a text.
const BLOCK: usize = 64;

/// Where a value is: names from the outermost object inwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The names, without escapes. An array on the way is entered at its first element.
    pub keys: Vec<String>,
    /// An array of texts is all of them with `,` between; otherwise its first element is taken.
    pub joined: bool,
}

/// The wanted paths of a log, put together to one tree.
#[derive(Clone, Debug)]
pub struct Paths {
    root: Node,
    len: usize,
}

/// Where one or several paths pass or end.
#[derive(Clone, Debug, Default)]
struct Node {
    key: Vec<u8>,
    /// The cells of all paths that come here, also of those that go on.
    cells: Vec<usize>,
    ends: Vec<End>,
    children: Vec<Node>,
}

/// A path that ends at a node.
#[derive(Clone, Debug)]
struct End {
    cell: usize,
    joined: bool,
}

impl Paths {
    /// One cell for each path, in their order; the same path may be wanted twice, and one may go on where
    /// another ends.
    #[must_use]
    pub fn new(paths: &[Path]) -> Self {
        let mut root = Node::default();
        for (cell, path) in paths.iter().enumerate() {
            // A longer one needs more objects in each other than a line may have.
            if path.keys.len() <= DEEPEST {
                root.add(&path.keys, &End { cell, joined: path.joined });
            }
        }
        Self { root, len: paths.len() }
    }

    /// Fills `cells` with one cell for each path, in their order; `false` for a line that is no JSON object.
    /// The cells of such a line mean nothing.
    pub fn split<'a>(&self, line: &'a [u8], cells: &mut Vec<Cell<'a>>) -> bool {
        cells.clear();
        cells.resize(self.len, Cell::Absent);
        let mut walk = Walk { cursor: Cursor::new(line, 0), cells };
        walk.line(&self.root).is_some()
    }
}

impl Node {
    fn add(&mut self, keys: &[String], end: &End) {
        self.cells.push(end.cell);
        let Some((key, rest)) = keys.split_first() else {
            self.ends.push(end.clone());
            return;
        };
        if let Some(child) = self.children.iter_mut().find(|child| child.key == key.as_bytes()) {
            child.add(rest, end);
        } else {
            let mut child = Self { key: key.as_bytes().to_vec(), ..Self::default() };
            child.add(rest, end);
            self.children.push(child);
        }
    }

    #[inline]
    fn child(&self, key: &[u8]) -> Option<&Self> {
        self.children.iter().find(|child| child.key == key)
    }
}

/// The walk along the wanted paths. `None` from any step: the line is no JSON.
///
/// Depth is always the number of objects and arrays around what is read, so that the steps call each other at
/// most [`DEEPEST`] deep.
struct Walk<'a, 'c> {
    cursor: Cursor<'a>,
    cells: &'c mut [Cell<'a>],
}

impl<'a> Walk<'a, '_> {
    fn line(&mut self, root: &Node) -> Option<()> {
        if self.cursor.peek()? != b'{' {
            return None;
        }
        self.take(root, 0)?;
        self.cursor.peek().is_none().then_some(())
    }

    /// A value on a path, which replaces what an equal name had before.
    fn take(&mut self, node: &Node, depth: usize) -> Option<()> {
        for cell in &node.cells {
            *self.cells.get_mut(*cell)? = Cell::Absent;
        }
        self.cursor.peek()?;
        let start = self.cursor.at;
        if node.children.is_empty() {
            self.cursor.skip(depth)?;
        } else {
            self.value(node, depth)?;
        }
        let value = self.cursor.line.get(start..self.cursor.at)?;
        for end in &node.ends {
            *self.cells.get_mut(end.cell)? = cell(value, end.joined);
        }
        Some(())
    }

    /// A value that has the node's names in it, or whose first element has.
    fn value(&mut self, node: &Node, depth: usize) -> Option<()> {
        match self.cursor.peek()? {
            b'{' => self.object(node, depth + 1),
            b'[' => self.array(node, depth + 1),
            _ => self.cursor.skip(depth),
        }
    }

    fn object(&mut self, node: &Node, depth: usize) -> Option<()> {
        // A copy, so that it stays in registers: every step waits for the place where the one before it ended.
        let mut cursor = self.cursor;
        cursor.open(depth)?;
        if !cursor.is_next(b'}') {
            loop {
                let (key, is_escaped) = cursor.name()?;
                let child = if is_escaped { node.child(&undone(key)) } else { node.child(key) };
                if let Some(child) = child {
                    self.cursor = cursor;
                    self.take(child, depth)?;
                    cursor = self.cursor;
                } else {
                    cursor.skip(depth)?;
                }
                match cursor.next()? {
                    b',' => {}
                    b'}' => break,
                    _ => return None,
                }
            }
        }
        self.cursor = cursor;
        Some(())
    }

    fn array(&mut self, node: &Node, depth: usize) -> Option<()> {
        self.cursor.open(depth)?;
        if self.cursor.is_next(b']') {
            return Some(());
        }
        self.value(node, depth)?;
        loop {
            match self.cursor.next()? {
                b',' => self.cursor.skip(depth)?,
                b']' => return Some(()),
                _ => return None,
            }
        }
    }
}

/// What is read next. `None` from any step: the line is no JSON, or has an end where it may not.
///
/// The ends of texts are searched for in whole blocks, so that the search does not wait until it is known where
/// a text begins, and where one ends is a shift away once the block was searched.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
    /// Where the block ends whose stops are known.
    end: usize,
    /// A bit for each of its bytes: whether a text may not just go on there.
    stops: u64,
}

impl<'a> Cursor<'a> {
    fn new(line: &'a [u8], at: usize) -> Self {
        Self { line, at, end: BLOCK, stops: stops(line, 0) }
    }

    #[inline(always)]
    fn byte(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    /// The next byte that is no blank, which is not read yet.
    #[inline(always)]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte()? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    /// Reads the next byte that is no blank.
    #[inline(always)]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// Reads the next byte that is no blank if it is this one.
    #[inline(always)]
    fn is_next(&mut self, wanted: u8) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    /// Reads the brace or bracket in front of something that is so deep.
    #[inline(always)]
    fn open(&mut self, depth: usize) -> Option<()> {
        self.at += 1;
        (depth <= DEEPEST).then_some(())
    }

    /// Reads a name and its colon: the name as it stands, and whether it has escapes.
    #[inline(always)]
    fn name(&mut self) -> Option<(&'a [u8], bool)> {
        if self.next()? != b'"' {
            return None;
        }
        let start = self.at;
        let is_escaped = self.text()?;
        let name = self.line.get(start..self.at - 1)?;
        (self.next()? == b':').then_some((name, is_escaped))
    }

    /// Reads a value of which nothing is wanted.
    #[inline(always)]
    fn skip(&mut self, depth: usize) -> Option<()> {
        match self.next()? {
            b'"' => self.text().map(drop),
            opening @ (b'{' | b'[') => {
                *self = self.skipped(opening, depth)?;
                Some(())
            }
            first => self.scalar(first),
        }
    }

    /// Where the object or array ends whose brace or bracket was read last.
    #[inline(never)]
    fn skipped(mut self, opening: u8, around: usize) -> Option<Self> {
        let mut depth = around;
        // One bit for each that is open, the innermost the lowest: whether it is an object.
        let mut objects = 0_u128;
        let mut first = opening;
        loop {
            match first {
                b'"' => self.text().map(drop)?,
                b'{' | b'[' => {
                    depth += 1;
                    if depth > DEEPEST {
                        return None;
                    }
                    let is_object = first == b'{';
                    objects = objects << 1 | u128::from(is_object);
                    if !self.is_next(if is_object { b'}' } else { b']' }) {
                        if is_object {
                            self.name()?;
                        }
                        first = self.next()?;
                        continue;
                    }
                    objects >>= 1;
                    depth -= 1;
                }
                _ => self.scalar(first)?,
            }
            loop {
                if depth == around {
                    return Some(self);
                }
                let is_object = objects & 1 == 1;
                match self.next()? {
                    b',' => {
                        if is_object {
                            self.name()?;
                        }
                        break;
                    }
                    b'}' if is_object => {}
                    b']' if !is_object => {}
                    _ => return None,
                }
                objects >>= 1;
                depth -= 1;
            }
            first = self.next()?;
        }
    }

    /// Reads the rest of a text, behind its first quote: whether it has escapes.
    #[inline(always)]
    fn text(&mut self) -> Option<bool> {
        let mut is_escaped = false;
        loop {
            self.at = self.stop();
            match self.byte()? {
                b'"' => {
                    self.at += 1;
                    return Some(is_escaped);
                }
                b'\\' => {
                    is_escaped = true;
                    self.at += escape_len(self.line.get(self.at..)?)?;
                }
                _ => return None,
            }
        }
    }

    /// The next place where a text may not just go on: a quote, a backslash, a control character, the end.
    #[inline(always)]
    fn stop(&mut self) -> usize {
        loop {
            // Which block comes next does not hang on where the walk is, so that it is searched ahead of it.
            while self.at >= self.end {
                self.stops = stops(self.line, self.end);
                self.end = self.end.wrapping_add(BLOCK);
            }
            // The shift is by the place in the block, because it takes no more than the low bits of `at`.
            let left = self.stops.wrapping_shr(self.at as u32);
            if left != 0 {
                return self.at.wrapping_add(left.trailing_zeros() as usize);
            }
            self.at = self.end;
        }
    }

    /// Reads the rest of a number, `true`, `false` or `null`, behind its first byte.
    #[inline(always)]
    fn scalar(&mut self, first: u8) -> Option<()> {
        let rest = self.line.get(self.at..)?;
        self.at += match first {
            b't' => rest.starts_with(b"rue").then_some(3)?,
            b'f' => rest.starts_with(b"alse").then_some(4)?,
            b'n' => rest.starts_with(b"ull").then_some(3)?,
            _ => number_len(first, rest)?,
        };
        Some(())
    }
}

/// How long the escape at the front is.
#[cold]
fn escape_len(text: &[u8]) -> Option<usize> {
    match text.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => text.get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

/// How many bytes a number has behind its first.
fn number_len(first: u8, rest: &[u8]) -> Option<usize> {
    let digits = |at: usize| {
        let rest = rest.get(at..).unwrap_or_default();
        rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())
    };
    let some_digits = |at: usize| Some(digits(at)).filter(|len| *len > 0).map(|len| at + len);
    let mut at = match first {
        b'0' => 0,
        b'1'..=b'9' => digits(0),
        b'-' if rest.first() == Some(&b'0') => 1,
        b'-' => some_digits(0)?,
        _ => return None,
    };
    if rest.get(at) == Some(&b'.') {
        at = some_digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = rest.get(at) {
        let signed = usize::from(matches!(rest.get(at + 1), Some(b'+' | b'-')));
        at = some_digits(at + 1 + signed)?;
    }
    Some(at)
}

/// The stops of the block that starts there, the first byte the lowest bit. Behind the end of the line all are set.
#[inline(never)]
fn stops(line: &[u8], start: usize) -> u64 {
    let rest = line.get(start..).unwrap_or_default();
    if let Some(block) = rest.first_chunk() {
        stops_of(block)
    } else if let Some(block) = line.last_chunk() {
        // The block that ends with the line, without what is in front of the one that was asked for.
        let (front, behind) = (BLOCK - rest.len(), u64::MAX << rest.len());
        stops_of(block).unbounded_shr(front as u32) | behind
    } else {
        let mut block = [0; BLOCK];
        block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        stops_of(&block)
    }
}

#[inline(always)]
fn stops_of(block: &[u8; BLOCK]) -> u64 {
    // With bit 1 changed a quote is 0x20, a blank is not, and control characters stay below: one comparison for both.
    // Written so that the compiler makes vectors of it.
    let flags = block.map(|byte| u8::from(byte ^ 2 <= b' ' || byte == b'\\'));
    let (eights, _) = flags.as_chunks::<8>();
    // Bit 8i of eight bytes goes to bit 56 + i, and no two of the products meet.
    let gathered = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    eights.iter().zip(0..).fold(0, |bits, (eight, row)| bits | gathered(eight) << (8 * row))
}

/// What a cell has of a value, from its first byte to its last.
fn cell(value: &[u8], joined: bool) -> Cell<'_> {
    match value {
        [b'"', text @ .., b'"'] => Cell::Text(undone(text)),
        [b'[', ..] => texts(value, joined).unwrap_or(Cell::Other(value)),
        b"null" => Cell::Absent,
        _ => Cell::Other(value),
    }
}

/// The first text of an array, or all; `None` if it has something else there.
fn texts(array: &[u8], joined: bool) -> Option<Cell<'_>> {
    let mut cursor = Cursor::new(array, 1);
    let mut texts: Option<Cow<'_, [u8]>> = None;
    loop {
        match cursor.next()? {
            b'"' => {
                let start = cursor.at;
                cursor.text()?;
                let text = undone(array.get(start..cursor.at - 1)?);
                let Some(before) = &mut texts else {
                    if !joined {
                        return Some(Cell::Text(text));
                    }
                    texts = Some(text);
                    continue;
                };
                let before = before.to_mut();
                before.push(b',');
                before.extend_from_slice(&text);
            }
            b',' => {}
            b']' => return Some(texts.map_or(Cell::Absent, Cell::Text)),
            _ => return None,
        }
    }
}

/// A text without its escapes, of which it is known that they are right.
fn undone(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr(b'\\', text) else { return Cow::Borrowed(text) };
    let mut undone = Vec::with_capacity(text.len());
    let mut next = Some(first);
    let mut rest = text;
    while let Some((before, escape)) = next.and_then(|at| rest.split_at_checked(at)) {
        undone.extend_from_slice(before);
        let (character, len) = character(escape);
        undone.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = escape.get(len..).unwrap_or_default();
        next = memchr(b'\\', rest);
    }
    undone.extend_from_slice(rest);
    Cow::Owned(undone)
}

/// What the escape at the front stands for, and how long it is; the two of a surrogate pair are one.
fn character(escape: &[u8]) -> (char, usize) {
    let character = match escape.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => {
            let units = unit(escape).into_iter().chain(escape.get(6..).and_then(unit));
            let character = char::decode_utf16(units).next().and_then(Result::ok);
            let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
            return (character, 6 * character.len_utf16());
        }
        // A quote, a backslash, a slash.
        other => other.copied().map_or(char::REPLACEMENT_CHARACTER, char::from),
    };
    (character, 2)
}

/// The number in the `\uXXXX` at the front, if there is one.
fn unit(escape: &[u8]) -> Option<u16> {
    let digits = escape.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
#[expect(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests;
