//! Reads MaxMind DB files (specification 2.0) into segments.
//!
//! Metadata and records are decoded by the `maxminddb` crate. The search tree is walked here, because the
//! crate's iteration follows shared subtrees as often as they are reached: a hundred nodes whose children
//! coincide hold 2^100 networks. The walk counts its steps instead and gives up at a small multiple of the
//! node count. Each record is decoded once, however many networks point to it.

use std::collections::HashMap;
use std::net::IpAddr;

use maxminddb::{MaxMindDbError, Reader};

use crate::database::{About, Database, LATEST, Labels, ReadOptions};
use crate::error::{Error, Result};
use crate::range::{Bits, Range, Segments, SegmentsBuilder};
use crate::record::{self, Fields, Texts};
use crate::slot::Slot;

/// Bytes between the search tree and the data section.
const SEPARATOR: usize = 16;
/// Steps of a walk for each node of the tree. Real databases need one; those whose writer merged equal
/// subtrees need a little more.
const STEPS_PER_NODE: usize = 4;
/// Bytes of text that are read for each byte of the data section. A record of a real database is longer than the two
/// codes that are read of it, even where it shares them with others.
const TEXT_PER_BYTE: usize = 4;
/// Where databases have the IPv4 subtree: ::/96, and the aliases of it that the specification and writers know. A node
/// elsewhere that is the same is a small network of IPv6 that happens to look so.
const ALIASES: [(u128, u32); 5] =
    [(0, 96), (0xffff << 32, 96), (0x0064_ff9b << 96, 96), (0x2001_0000 << 96, 32), (0x2002 << 112, 16)];
/// Records that are looked at to find out how this database spells a region.
const SAMPLE: usize = 256;
/// Networks that are looked at for them: a country database has fewer records than that.
const SAMPLE_NETWORKS: usize = 1 << 15;
/// What every MaxMind DB file holds somewhere near its end.
pub(crate) const METADATA_MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// Reads a whole `.mmdb` file.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Field`] or [`Error::TooLarge`] where the file is not a sound database;
/// [`Error::NoSuchField`] where its records hold no region of the wanted level.
pub fn read(bytes: &[u8], options: &ReadOptions) -> Result<Database> {
    let reader = Reader::from_source(bytes).map_err(Error::from)?;
    let tree = SearchTree::new(&reader, bytes);
    let fields = tree.find_fields(options)?;
    let mut regions = Regions::new(&reader, fields, tree.data_bytes);
    let mut budget = tree.budget();

    let v4 = tree.segments::<u32>(tree.ipv4_root, None, &mut regions, &mut budget)?;
    let v6 = if tree.is_v6 { Some(tree.segments::<u128>(0, tree.alias(), &mut regions, &mut budget)?) } else { None };
    let metadata = reader.metadata();
    if metadata.build_epoch > LATEST {
        return Err(Error::field("build_epoch", "a date beyond the year 9999"));
    }
    let (labels, mut warnings) = regions.finish()?;
    if v6.is_none() {
        warnings.push("the database has no IPv6: every IPv6 address that is not special is unknown".into());
    }
    let description = metadata.description.get("en").or_else(|| metadata.description.values().next());
    Ok(Database {
        v4,
        v6,
        labels,
        about: About {
            kind: metadata.database_type.clone(),
            description: description.cloned().unwrap_or_default(),
            built_at: Some(metadata.build_epoch).filter(|&epoch| epoch > 0),
            warnings,
        },
    })
}

impl From<MaxMindDbError> for Error {
    fn from(error: MaxMindDbError) -> Self {
        match error {
            MaxMindDbError::InvalidDatabase { message, offset: Some(offset) } => Self::corrupt(offset, message),
            MaxMindDbError::Decoding { message, offset: Some(offset), path } => Self::field(
                path.unwrap_or_else(|| "metadata".to_owned()),
                format!("{message} (byte {offset} of its section)"),
            ),
            MaxMindDbError::ResourceLimit { .. } => Self::TooLarge(error.to_string()),
            _ => Self::field("metadata", error.to_string()),
        }
    }
}

/// The search tree of an opened database. `Reader::from_source` has checked that record size is 24, 28 or
/// 32 and that all `node_count` nodes lie inside the file.
struct SearchTree<'a> {
    reader: &'a Reader<&'a [u8]>,
    nodes: &'a [u8],
    node_count: usize,
    node_bytes: usize,
    data_bytes: usize,
    is_v6: bool,
    ipv4_root: usize,
}

/// Where a branch of the tree ends.
#[derive(Clone, Copy)]
enum Leaf {
    Empty,
    /// Offset of a record in the data section.
    Record(usize),
}

impl<'a> SearchTree<'a> {
    fn new(reader: &'a Reader<&'a [u8]>, bytes: &'a [u8]) -> Self {
        let metadata = reader.metadata();
        let node_count = metadata.node_count as usize;
        let node_bytes = usize::from(metadata.record_size) / 4;
        let tree_bytes = node_count * node_bytes;
        let metadata_at =
            bytes.windows(METADATA_MARKER.len()).rposition(|window| window == METADATA_MARKER).unwrap_or(bytes.len());
        let mut tree = Self {
            reader,
            nodes: bytes.get(..tree_bytes).unwrap_or_default(),
            node_count,
            node_bytes,
            data_bytes: metadata_at.saturating_sub(tree_bytes + SEPARATOR),
            is_v6: metadata.ip_version == 6,
            ipv4_root: 0,
        };
        if tree.is_v6 {
            for _ in 0..96 {
                if tree.ipv4_root >= tree.node_count {
                    break;
                }
                [tree.ipv4_root, _] = tree.children(tree.ipv4_root);
            }
        }
        tree
    }

    /// Left and right record of a node; of a node outside the tree, empty ones.
    #[inline]
    fn children(&self, node: usize) -> [usize; 2] {
        let at = node * self.node_bytes;
        let [left, right] = match self.nodes.get(at..at + self.node_bytes) {
            Some(&[a, b, c, d, e, f]) => [[0, a, b, c], [0, d, e, f]],
            // 28 bits: the middle byte holds the top four bits of both.
            Some(&[a, b, c, top, d, e, f]) => [[top >> 4, a, b, c], [top & 15, d, e, f]],
            Some(&[a, b, c, d, e, f, g, h]) => [[a, b, c, d], [e, f, g, h]],
            _ => return [self.node_count; 2],
        };
        [u32::from_be_bytes(left) as usize, u32::from_be_bytes(right) as usize]
    }

    fn leaf(&self, record: usize, node: usize) -> Result<Leaf> {
        if record == self.node_count {
            return Ok(Leaf::Empty);
        }
        match record.checked_sub(self.node_count + SEPARATOR) {
            Some(offset) if offset < self.data_bytes => Ok(Leaf::Record(offset)),
            _ => Err(Error::corrupt(
                node * self.node_bytes,
                format!("node {node} of the search tree points outside the data section"),
            )),
        }
    }

    fn budget(&self) -> usize {
        STEPS_PER_NODE * self.node_count + 1024
    }

    /// Calls `visit` with each leaf below `root` in address order, until it says stop. Where `alias` stands at one of
    /// [`ALIASES`] it is left out. `budget` is what the walk may still take, in nodes.
    fn walk<T: Bits>(
        &self,
        root: usize,
        alias: Option<usize>,
        budget: &mut usize,
        mut visit: impl FnMut(Range<T>, Leaf) -> Result<bool>,
    ) -> Result<()> {
        // (record, its node for messages, first address, depth): at most one right sibling a level.
        let mut stack = vec![(root, 0, T::ZERO, 0)];
        while let Some((mut record, mut node, first, mut depth)) = stack.pop() {
            let is_alias = |record, first: T, depth| Some(record) == alias && ALIASES.contains(&(first.into(), depth));
            while record < self.node_count && !is_alias(record, first, depth) {
                if depth == T::WIDTH {
                    return Err(Error::corrupt(
                        node * self.node_bytes,
                        format!("the search tree is deeper than an address is long, at node {node}"),
                    ));
                }
                *budget = budget.checked_sub(1).ok_or_else(|| {
                    Error::TooLarge(format!(
                        "the search tree shares its {} nodes so often that it spells out to more than {STEPS_PER_NODE} \
                         times as many",
                        self.node_count
                    ))
                })?;
                node = record;
                depth += 1;
                let middle = first | (T::ones(T::WIDTH - depth + 1) ^ T::ones(T::WIDTH - depth));
                let [left, right] = self.children(node);
                stack.push((right, node, middle, depth));
                record = left;
            }
            let leaf = if is_alias(record, first, depth) { Leaf::Empty } else { self.leaf(record, node)? };
            if !visit(Range { first, last: first | T::ones(T::WIDTH - depth) }, leaf)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Looks at the first records to see how this database spells a region.
    fn find_fields(&self, options: &ReadOptions) -> Result<Fields> {
        let mut sample = HashMap::new();
        self.sample::<u32>(self.ipv4_root, None, |bits| self.address(bits), &mut sample)?;
        if self.is_v6 {
            self.sample::<u128>(0, self.alias(), |bits| IpAddr::V6(bits.into()), &mut sample)?;
        }
        let mut offsets: Vec<_> = sample.into_iter().collect();
        offsets.sort_unstable(); // the same file always gives the same message
        let records: Vec<_> =
            offsets.into_iter().map(|(_, address)| Ok(self.reader.lookup(address)?)).collect::<Result<_>>()?;
        record::find_fields(&records, options)
    }

    /// Adds records below `root` by their offsets, each with an address that has it.
    fn sample<T: Bits>(
        &self,
        root: usize,
        alias: Option<usize>,
        address: impl Fn(T) -> IpAddr,
        sample: &mut HashMap<usize, IpAddr>,
    ) -> Result<()> {
        let mut networks = 0;
        let wanted = sample.len() + SAMPLE;
        self.walk::<T>(root, alias, &mut self.budget(), |range, leaf| {
            if let Leaf::Record(offset) = leaf {
                sample.entry(offset).or_insert_with(|| address(range.first));
                networks += 1;
            }
            Ok(sample.len() < wanted && networks < SAMPLE_NETWORKS)
        })
    }

    /// The IPv4 subtree, where the tree has one inside an IPv6 tree. The IPv4 subtree and its aliases
    /// (::ffff:0:0/96, 2002::/16, 2001::/32) are not read as IPv6: what lies there is unwrapped or special, and
    /// decided before the database.
    fn alias(&self) -> Option<usize> {
        Some(self.ipv4_root).filter(|&root| self.is_v6 && root < self.node_count && root > 0)
    }

    /// An IPv4 address as the reader finds it in this tree.
    fn address(&self, bits: u32) -> IpAddr {
        if self.is_v6 { IpAddr::V6(u128::from(bits).into()) } else { IpAddr::V4(bits.into()) }
    }

    fn segments<T: Bits>(
        &self,
        root: usize,
        alias: Option<usize>,
        regions: &mut Regions<'_>,
        budget: &mut usize,
    ) -> Result<Segments<T>> {
        let mut builder = SegmentsBuilder::new(record::UNPLACED);
        self.walk::<T>(root, alias, budget, |range, leaf| {
            if let Leaf::Record(offset) = leaf {
                let first: u128 = range.first.into();
                let address = match u32::try_from(first) {
                    Ok(bits) if T::WIDTH == u32::WIDTH => self.address(bits),
                    _ => IpAddr::V6(first.into()),
                };
                builder.push(range, regions.label(offset, address)?)?;
            }
            Ok(true)
        })?;
        Ok(builder.finish())
    }
}

/// Labels by record, each decoded once.
struct Regions<'a> {
    reader: &'a Reader<&'a [u8]>,
    fields: Fields,
    /// By offset in the data section; [`UNREAD`] where no record was read. A hash map took a fifth of the time.
    known: Vec<Slot>,
    /// By what a record says: a city database says the same of a state in thousands of records.
    said: HashMap<Texts<'a>, Slot>,
    labels: Labels,
    /// Bytes of text that records may still say. Each is hashed, so without a bound records that share one long text
    /// would take the product of both.
    budget: usize,
}

/// No label: there are at most [`crate::slot::MAX_LABELS`].
const UNREAD: Slot = Slot::MAX;

impl<'a> Regions<'a> {
    fn new(reader: &'a Reader<&'a [u8]>, fields: Fields, data_bytes: usize) -> Self {
        Self {
            reader,
            fields,
            known: vec![UNREAD; data_bytes],
            said: HashMap::new(),
            labels: Labels::default(),
            budget: TEXT_PER_BYTE * data_bytes + (1 << 20),
        }
    }

    /// The label of the record at `offset`, which is the record of `address`.
    fn label(&mut self, offset: usize, address: IpAddr) -> Result<Slot> {
        if let Some(&label) = self.known.get(offset)
            && label != UNREAD
        {
            return Ok(label);
        }
        let found = self.reader.lookup(address)?;
        debug_assert_eq!(found.offset(), Some(offset), "own walk and the reader's agree");
        let label = match self.fields.texts(&found)? {
            None => record::UNPLACED,
            Some(texts) => self.label_of(texts)?,
        };
        if let Some(known) = self.known.get_mut(offset) {
            *known = label;
        }
        Ok(label)
    }

    fn label_of(&mut self, texts: Texts<'a>) -> Result<Slot> {
        let (country, subdivision, _) = texts;
        let length = country.len() + subdivision.map_or(0, str::len);
        self.budget = self.budget.checked_sub(length).ok_or_else(|| {
            Error::TooLarge(format!(
                "the records share their texts so often that they spell out to more than {TEXT_PER_BYTE} times as many \
                 bytes"
            ))
        })?;
        if let Some(&label) = self.said.get(&texts) {
            return Ok(label);
        }
        let label = self.labels.intern(self.fields.label(texts))?;
        self.said.insert(texts, label);
        Ok(label)
    }

    fn finish(self) -> Result<(Labels, Vec<String>)> {
        let warnings = self.fields.warnings()?;
        Ok((self.labels, warnings))
    }
}

#[cfg(test)]
pub(crate) mod tests;
