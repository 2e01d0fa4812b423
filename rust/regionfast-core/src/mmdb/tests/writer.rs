//! Writes MaxMind DB files (specification 2.0), also impossible ones.
//!
//! Nothing of it comes from a reader: where both misunderstand the specification, they had to do so in the
//! same way.

use std::collections::HashMap;

/// What stands before the metadata.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// A value of the data section.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Bytes(Vec<u8>),
    Double(f64),
    Float(f32),
    U16(u16),
    U32(u32),
    I32(i32),
    U64(u64),
    U128(u128),
    Bool(bool),
    Map(Vec<(Value, Value)>),
    Array(Vec<Value>),
    /// To an offset of the data section, in the shortest form.
    Pointer(usize),
    /// The same in the form of four bytes, which holds any offset.
    LongPointer(usize),
    /// Octets as they are.
    Raw(Vec<u8>),
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(crate) fn map<const N: usize>(items: [(&str, Value); N]) -> Value {
    Value::Map(items.into_iter().map(|(key, value)| (text(key), value)).collect())
}

/// The record of a country database of MaxMind's shape.
pub(crate) fn country(code: &str) -> Value {
    map([("country", map([("iso_code", text(code))]))])
}

impl Value {
    fn encode(&self, out: &mut Vec<u8>) {
        // Leading zeros of numbers are left out.
        let number = |out: &mut Vec<u8>, kind, octets: &[u8]| {
            let zeros = octets.iter().take_while(|octet| **octet == 0).count();
            control(out, kind, octets.len() - zeros);
            out.extend(&octets[zeros..]);
        };
        match self {
            Self::Text(text) => {
                control(out, 2, text.len());
                out.extend(text.as_bytes());
            }
            Self::Double(number) => {
                control(out, 3, 8);
                out.extend(number.to_be_bytes());
            }
            Self::Bytes(bytes) => {
                control(out, 4, bytes.len());
                out.extend(bytes);
            }
            Self::U16(value) => number(out, 5, &value.to_be_bytes()),
            Self::U32(value) => number(out, 6, &value.to_be_bytes()),
            Self::Map(items) => {
                control(out, 7, items.len());
                for (key, value) in items {
                    key.encode(out);
                    value.encode(out);
                }
            }
            Self::I32(value) => number(out, 8, &value.to_be_bytes()),
            Self::U64(value) => number(out, 9, &value.to_be_bytes()),
            Self::U128(value) => number(out, 10, &value.to_be_bytes()),
            Self::Array(items) => {
                control(out, 11, items.len());
                items.iter().for_each(|item| item.encode(out));
            }
            Self::Bool(value) => control(out, 14, usize::from(*value)),
            Self::Float(number) => {
                control(out, 15, 4);
                out.extend(number.to_be_bytes());
            }
            Self::Pointer(to) => pointer(out, *to),
            Self::LongPointer(to) => {
                out.push(1 << 5 | 3 << 3);
                out.extend((*to as u32).to_be_bytes());
            }
            Self::Raw(octets) => out.extend(octets),
        }
    }
}

/// Type and size: 5 bits of size, or 29, 30, 31 and the rest in 1, 2, 3 octets. Types above 7 come in an octet
/// of their own.
fn control(out: &mut Vec<u8>, kind: u8, size: usize) {
    let (short, rest) = match size {
        0..29 => (size, vec![]),
        29..285 => (29, vec![(size - 29) as u8]),
        285..65_821 => (30, ((size - 285) as u16).to_be_bytes().to_vec()),
        _ => (31, ((size - 65_821) as u32).to_be_bytes()[1..].to_vec()),
    };
    match kind.checked_sub(7) {
        None | Some(0) => out.push(kind << 5 | short as u8),
        Some(extended) => out.extend([short as u8, extended]),
    }
    out.extend(rest);
}

fn pointer(out: &mut Vec<u8>, to: usize) {
    let (size, top, octets) = match to {
        0..2_048 => (0, to >> 8, 1),
        2_048..526_336 => (1, (to - 2_048) >> 16, 2),
        526_336..134_744_064 => (2, (to - 526_336) >> 24, 3),
        _ => (3, 0, 4),
    };
    let rest = match size {
        1 => to - 2_048,
        2 => to - 526_336,
        _ => to,
    };
    out.push(1 << 5 | size << 3 | (top & 7) as u8);
    out.extend(&(rest as u32).to_be_bytes()[4 - octets..]);
}

/// What a branch of the tree leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Branch {
    Empty,
    Node(usize),
    /// Offset in the data section.
    Record(usize),
    /// The number that is written, whatever it means.
    Number(u32),
}

/// A database in the making.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) ip_version: u16,
    pub(crate) record_bits: u16,
    pub(crate) nodes: Vec<[Branch; 2]>,
    pub(crate) data: Vec<u8>,
    /// What the metadata say where it is not the truth; `None`: nothing.
    pub(crate) lies: Vec<(&'static str, Option<Value>)>,
}

impl Writer {
    pub(crate) fn new(ip_version: u16, record_bits: u16) -> Self {
        Self { ip_version, record_bits, nodes: vec![[Branch::Empty; 2]], data: Vec::new(), lies: Vec::new() }
    }

    /// Adds a value to the data section; its offset.
    pub(crate) fn value(&mut self, value: &Value) -> usize {
        let at = self.data.len();
        value.encode(&mut self.data);
        at
    }

    pub(crate) fn record(&mut self, value: &Value) -> Branch {
        Branch::Record(self.value(value))
    }

    /// Lets the network lead to `branch`. Networks come from the widest to the narrowest: what lies deeper is
    /// lost. In a tree of IPv6 an IPv4 network lies below ::/96.
    pub(crate) fn insert(&mut self, network: &str, branch: Branch) {
        let (address, length) = network.split_once('/').unwrap();
        let length: usize = length.parse().unwrap();
        match address.parse().unwrap() {
            std::net::IpAddr::V4(v4) if self.ip_version == 6 => {
                self.insert_bits(u128::from(v4.to_bits()), 96 + length, branch);
            }
            std::net::IpAddr::V4(v4) => self.insert_bits(u128::from(v4.to_bits()) << 96, length, branch),
            std::net::IpAddr::V6(v6) => self.insert_bits(v6.to_bits(), length, branch),
        }
    }

    /// The same for the network of the first `length` bits, from the top.
    pub(crate) fn insert_bits(&mut self, bits: u128, length: usize, branch: Branch) {
        assert!(length > 0, "the root is a node");
        let mut node = 0;
        for depth in 0..length - 1 {
            let side = side(bits, depth);
            node = match self.nodes[node][side] {
                Branch::Node(next) => next,
                // What the wider network says goes on on both sides.
                wider => {
                    self.nodes.push([wider; 2]);
                    self.nodes[node][side] = Branch::Node(self.nodes.len() - 1);
                    self.nodes.len() - 1
                }
            };
        }
        self.nodes[node][side(bits, length - 1)] = branch;
    }

    /// The node or leaf at the first `length` bits, or the leaf above it.
    pub(crate) fn branch(&self, bits: u128, length: usize) -> Branch {
        let mut branch = Branch::Node(0);
        for depth in 0..length {
            let Branch::Node(node) = branch else { break };
            branch = self.nodes[node][side(bits, depth)];
        }
        branch
    }

    /// Lets the networks by which databases repeat IPv4 inside IPv6 lead to the IPv4 subtree.
    pub(crate) fn alias_ipv4(&mut self) {
        let ipv4 = self.branch(0, 96);
        self.insert_bits(0xffff << 32, 96, ipv4);
        self.insert_bits(0x2001_0000 << 96, 32, ipv4);
        self.insert_bits(0x2002 << 112, 16, ipv4);
    }

    /// Makes equal subtrees one, as some writers do.
    pub(crate) fn share_subtrees(&mut self) {
        let old = std::mem::take(&mut self.nodes);
        let mut known = HashMap::new();
        let root = self.share(&old, 0, &mut known);
        // The root is the node 0 of the format.
        assert_eq!(root, self.nodes.len() - 1);
        self.nodes.rotate_right(1);
        let moved = |branch: &mut Branch| {
            if let Branch::Node(node) = branch {
                *node += 1;
            }
        };
        self.nodes.iter_mut().flatten().for_each(moved);
    }

    fn share(&mut self, old: &[[Branch; 2]], node: usize, known: &mut HashMap<[Branch; 2], usize>) -> usize {
        let branches = old[node].map(|branch| match branch {
            Branch::Node(next) => Branch::Node(self.share(old, next, known)),
            leaf => leaf,
        });
        *known.entry(branches).or_insert_with(|| {
            self.nodes.push(branches);
            self.nodes.len() - 1
        })
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for branches in &self.nodes {
            let [left, right] = branches.map(|branch| match branch {
                Branch::Empty => self.nodes.len() as u32,
                Branch::Node(node) => node as u32,
                Branch::Record(offset) => (self.nodes.len() + 16 + offset) as u32,
                Branch::Number(number) => number,
            });
            match self.record_bits {
                24 => {
                    out.extend(&left.to_be_bytes()[1..]);
                    out.extend(&right.to_be_bytes()[1..]);
                }
                28 => {
                    out.extend(&left.to_be_bytes()[1..]);
                    out.push((left >> 24 << 4) as u8 | (right >> 24) as u8);
                    out.extend(&right.to_be_bytes()[1..]);
                }
                _ => {
                    out.extend(left.to_be_bytes());
                    out.extend(right.to_be_bytes());
                }
            }
        }
        out.extend([0; 16]);
        out.extend(&self.data);
        out.extend(MARKER);
        self.metadata().encode(&mut out);
        out
    }

    fn metadata(&self) -> Value {
        let truth = [
            ("node_count", Value::U32(self.nodes.len() as u32)),
            ("record_size", Value::U16(self.record_bits)),
            ("ip_version", Value::U16(self.ip_version)),
            ("database_type", text("Test-Country")),
            ("languages", Value::Array(vec![text("en")])),
            ("binary_format_major_version", Value::U16(2)),
            ("binary_format_minor_version", Value::U16(0)),
            ("build_epoch", Value::U64(1_750_000_000)),
            ("description", map([("en", text("made for a test"))])),
        ];
        let told = truth.into_iter().filter_map(|(key, value)| {
            let lie = self.lies.iter().find(|(name, _)| *name == key);
            Some((text(key), lie.map_or(Some(value), |(_, lie)| lie.clone())?))
        });
        Value::Map(told.collect())
    }
}

fn side(bits: u128, depth: usize) -> usize {
    (bits >> (127 - depth) & 1) as usize
}
