//! Cases by hand for each rule, and lines at random against a parser that builds the whole value.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn path(keys: &[&str]) -> Path {
    Path { keys: keys.iter().map(|key| (*key).to_owned()).collect(), joined: false }
}

fn joined(keys: &[&str]) -> Path {
    Path { joined: true, ..path(keys) }
}

/// What the line has at the paths; `None` where it is no JSON object.
fn split<'a>(line: &'a [u8], paths: &[Path]) -> Option<Vec<Cell<'a>>> {
    // Cells of the line before must not be seen again.
    let mut cells = vec![Cell::borrowed(b"before"); 3];
    Paths::new(paths).split(line, &mut cells).then_some(cells)
}

fn one<'a>(line: &'a str, keys: &[&str]) -> Cell<'a> {
    let mut cells = split(line.as_bytes(), &[path(keys)]).expect(line);
    assert_eq!(cells.len(), 1);
    cells.remove(0)
}

fn all<'a>(line: &'a str, keys: &[&str]) -> Cell<'a> {
    split(line.as_bytes(), &[joined(keys)]).expect(line).remove(0)
}

fn text(text: &str) -> Cell<'_> {
    Cell::borrowed(text.as_bytes())
}

fn other(value: &str) -> Cell<'_> {
    Cell::Other(value.as_bytes())
}

fn is_json(line: impl AsRef<[u8]>) -> bool {
    split(line.as_ref(), &[]).is_some()
}

#[test]
fn cells_are_in_the_order_of_the_paths() {
    let line = br#"{"ts":1.5,"request":{"remote_addr":"192.0.2.1","uri":"/"},"status":200}"#;
    let paths =
        [path(&["status"]), path(&["request", "remote_addr"]), path(&["gone"]), path(&["ts"]), path(&["request"])];
    let request = r#"{"remote_addr":"192.0.2.1","uri":"/"}"#;
    let cells = [other("200"), text("192.0.2.1"), Cell::Absent, other("1.5"), other(request)];
    assert_eq!(split(line, &paths).unwrap(), cells);
}

#[test]
fn a_path_may_be_wanted_twice_and_may_pass_where_another_ends() {
    let paths = [path(&["a"]), path(&["a", "b"]), path(&["a"]), joined(&["a"]), path(&[])];
    let whole = r#"{"a":[{"b":"x"}]}"#;
    let array = r#"[{"b":"x"}]"#;
    let cells = [other(array), text("x"), other(array), other(array), other(whole)];
    assert_eq!(split(whole.as_bytes(), &paths).unwrap(), cells);
}

#[test]
fn text_without_escapes_is_borrowed() {
    for line in [r#"{"a":"192.0.2.1"}"#, r#"{"\u0061":"192.0.2.1","b":"\n"}"#, r#"{"a":["192.0.2.1"]}"#] {
        assert!(matches!(one(line, &["a"]), Cell::Text(Cow::Borrowed(b"192.0.2.1"))), "{line}");
        assert!(matches!(all(line, &["a"]), Cell::Text(Cow::Borrowed(b"192.0.2.1"))), "{line}");
    }
}

#[test]
fn blanks_may_be_between_everything() {
    let line = " \t{ \"a\" :\r\n[ \"x\" , 1 ] , \"b\" : { \"c\" : -0.5e+7 } , \"d\":{ },\"e\":[ ] } \r\n";
    assert_eq!(one(line, &["a"]), text("x"));
    assert_eq!(one(line, &["b", "c"]), other("-0.5e+7"));
    assert_eq!(one(line, &["d"]), other("{ }"));
    assert_eq!(one(line, &["e"]), Cell::Absent);
    for blank in ["\u{b}", "\u{c}", "\u{a0}", "\u{feff}", "\0"] {
        assert!(!is_json(format!("{blank}{{}}")), "{blank:?}");
        assert!(!is_json(format!("{{}}{blank}")), "{blank:?}");
    }
}

#[test]
fn only_an_object_is_a_row() {
    for line in ["", " ", "[]", "[{}]", "null", "1", "\"a\"", "{}{}", "{} {}", "{},", "{}]", "{}}", "{", "}", "x{}"] {
        assert!(!is_json(line), "{line}");
    }
    assert!(is_json("{}"));
}

#[test]
fn each_kind_of_value() {
    let line = r#"{"t":true,"f":false,"n":null,"o":{"x":[]},"i":-12,"s":"","d":"-"}"#;
    assert_eq!(one(line, &["t"]), other("true"));
    assert_eq!(one(line, &["f"]), other("false"));
    assert_eq!(one(line, &["n"]), Cell::Absent);
    assert_eq!(one(line, &["o"]), other(r#"{"x":[]}"#));
    assert_eq!(one(line, &["i"]), other("-12"));
    assert_eq!(one(line, &["s"]), text(""));
    assert_eq!(one(line, &["d"]), text("-"));
    for key in ["t", "n", "i", "s"] {
        assert_eq!(one(line, &[key, "x"]), Cell::Absent, "{key}");
    }
}

#[test]
fn grammar_is_that_of_rfc_8259() {
    let values = [
        "0",
        "-0",
        "10",
        "1.0",
        "0.00",
        "1e5",
        "1E+5",
        "0e-05",
        "-1.5e300",
        "123456789012345678901234567890",
        "1e999",
        "true",
        "false",
        "null",
        "\"\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD800\"",
        "\"\u{7f}é😀\"",
        "[]",
        "[[]]",
        "[1,\"a\",{}]",
        "{\"\":{}}",
        "{\"a\":1,\"a\":1}",
    ];
    let no_values = [
        "",
        "-",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1.e5",
        "1e",
        "1e+",
        "1.5.5",
        "0x1",
        "--1",
        "1 2",
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "True",
        "tru",
        "truex",
        "nul",
        "nulll",
        "falsey",
        "undefined",
        "'a'",
        "a",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x41\"",
        "\"\\u12g4\"",
        "\"\\u123\"",
        "\"\\u+123\"",
        "\"\\U0041\"",
        "\"\n\"",
        "\"\t\"",
        "\"\u{1f}\"",
        "\"\0\"",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1]",
        "{\"a\":1,,\"b\":2}",
        "[1]]",
        "1//",
        "/**/1",
    ];
    for (wanted, values) in [(true, &values[..]), (false, &no_values[..])] {
        for value in values {
            // On a path and off it, alone and with something behind it.
            for line in [format!("{{\"a\":{value}}}"), format!("{{\"b\":[{value}],\"a\":{{\"c\":{value}}}}}")] {
                let paths = [path(&["a", "c", "d"]), path(&["b", "x"])];
                assert_eq!(split(line.as_bytes(), &paths).is_some(), wanted, "{line}");
                assert_eq!(is_json(&line), wanted, "{line}");
            }
        }
    }
}

#[test]
fn every_line_that_is_cut_is_no_json() {
    let line = r#"{"a":["x\u00e9\n",{"b":null}],"c":{"d":-1.5e3,"e":true},"f":""}"#;
    assert!(is_json(line));
    for len in 0..line.len() {
        let cut = &line.as_bytes()[..len];
        assert!(!is_json(cut), "{len}");
        assert_eq!(split(cut, &[path(&["a", "b"]), path(&["c", "d"]), joined(&["a"])]), None, "{len}");
    }
}

#[test]
fn a_text_may_end_anywhere_in_a_block() {
    for len in 0..300 {
        for tail in ["", r#","b":"y""#] {
            let wanted = "x".repeat(len);
            let line = format!(r#"{{"a":"{wanted}"{tail}}}"#);
            assert_eq!(one(&line, &["a"]), text(&wanted), "{len}");
            for bad in ["\n", "\0", "\u{1f}", "\\", "\"", "\\x"] {
                let line = format!(r#"{{"a":"{wanted}{bad}{wanted}"{tail}}}"#);
                assert!(!is_json(&line), "{len} {bad:?}");
            }
        }
    }
}

#[test]
fn every_byte_alone_in_a_text() {
    for byte in 0..=u8::MAX {
        let line = [b"{\"a\":\"", &[byte][..], b"\"}"].concat();
        let fits = byte >= b' ' && byte != b'"' && byte != b'\\';
        let cells = split(&line, &[path(&["a"])]);
        assert_eq!(cells, fits.then(|| vec![Cell::borrowed(&line[6..7])]), "{byte}");
    }
}

#[test]
fn escapes_are_undone() {
    let cases = [
        (r#"\"\\\/"#, "\"\\/"),
        (r"\b\f\n\r\t", "\u{8}\u{c}\n\r\t"),
        (r"\u0041\u00e9\u00E9\u20ac\u0000", "Aéé€\0"),
        (r"a\ud83d\ude00b\uD83D\uDE00", "a😀b😀"),
        (r"\ud83d", "\u{fffd}"),
        (r"\ud83dx", "\u{fffd}x"),
        (r"\ud83d\n", "\u{fffd}\n"),
        (r"\ud83d\u0041", "\u{fffd}A"),
        (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
        (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
        (r"\ud83d\\ude00", "\u{fffd}\\ude00"),
        (r"2001:db8\u003a:1", "2001:db8::1"),
        (r"\\", "\\"),
    ];
    for (written, meant) in cases {
        assert_eq!(one(&format!(r#"{{"a":"{written}"}}"#), &["a"]), text(meant), "{written}");
        assert_eq!(one(&format!(r#"{{"{written}":"x"}}"#), &[meant]), text("x"), "{written}");
    }
}

#[test]
fn bytes_need_not_be_utf_8() {
    let line = b"{\"a\":\"\xff\\n\xc3\",\"\xfe\":\"\xed\xa0\x80\"}";
    let cells = split(line, &[path(&["a"])]).unwrap();
    assert_eq!(cells, [Cell::borrowed(b"\xff\n\xc3")]);
}

#[test]
fn names_are_compared_whole_and_with_case() {
    let line = r#"{"addres":"1","address2":"2","Address":"3","address":"4","address ":"5","a.b":"6","":"7"}"#;
    assert_eq!(one(line, &["address"]), text("4"));
    assert_eq!(one(line, &["a.b"]), text("6"));
    assert_eq!(one(line, &["a", "b"]), Cell::Absent);
    assert_eq!(one(line, &[""]), text("7"));
}

#[test]
fn of_equal_names_the_last_counts() {
    let cases = [
        (r#"{"a":"x","a":"y"}"#, text("y")),
        (r#"{"a":"x","a":null}"#, Cell::Absent),
        (r#"{"a":"x","a":1}"#, other("1")),
        (r#"{"a":1,"a":"y"}"#, text("y")),
        (r#"{"a":"x","\u0061":"y"}"#, text("y")),
        (r#"{"a":"x","a":[]}"#, Cell::Absent),
    ];
    for (line, wanted) in cases {
        assert_eq!(one(line, &["a"]), wanted, "{line}");
    }
    let deeper = [
        (r#"{"a":{"b":"x"},"a":{"b":"y"}}"#, text("y")),
        (r#"{"a":{"b":"x"},"a":{"c":"y"}}"#, Cell::Absent),
        (r#"{"a":{"b":"x"},"a":{}}"#, Cell::Absent),
        (r#"{"a":{"b":"x"},"a":[]}"#, Cell::Absent),
        (r#"{"a":{"b":"x"},"a":[{"b":"y"},{"b":"z"}]}"#, text("y")),
        (r#"{"a":{"b":"x"},"a":null}"#, Cell::Absent),
        (r#"{"a":{"b":"x"},"a":"b"}"#, Cell::Absent),
        (r#"{"a":{"b":"x","b":"y"}}"#, text("y")),
    ];
    for (line, wanted) in deeper {
        assert_eq!(one(line, &["a", "b"]), wanted, "{line}");
    }
}

#[test]
fn arrays_are_entered_at_their_first_element() {
    assert_eq!(one(r#"{"a":[{"b":"x"},{"b":"y"}]}"#, &["a", "b"]), text("x"));
    assert_eq!(one(r#"{"a":[[[{"b":["x","y"]}]],{"b":"y"}]}"#, &["a", "b"]), text("x"));
    assert_eq!(one(r#"{"a":[1,{"b":"y"}]}"#, &["a", "b"]), Cell::Absent);
    assert_eq!(one(r#"{"a":[[],{"b":"y"}]}"#, &["a", "b"]), Cell::Absent);
    assert_eq!(one(r#"{"a":[]}"#, &["a", "b"]), Cell::Absent);
}

#[test]
fn an_array_at_the_end_is_its_first_text() {
    let cases = [
        (r#"["x"]"#, text("x")),
        (r#"[ "\u0078" , 1, null]"#, text("x")),
        ("[]", Cell::Absent),
        ("[ ]", Cell::Absent),
        (r#"[1,"x"]"#, other(r#"[1,"x"]"#)),
        (r#"[null,"x"]"#, other(r#"[null,"x"]"#)),
        (r#"[["x"]]"#, other(r#"[["x"]]"#)),
        (r#"[{"a":"x"}]"#, other(r#"[{"a":"x"}]"#)),
    ];
    for (array, wanted) in cases {
        assert_eq!(one(&format!(r#"{{"a":{array}}}"#), &["a"]), wanted, "{array}");
    }
}

#[test]
fn a_header_of_several_texts_is_all_of_them() {
    let cases = [
        (r#"["x"]"#, text("x")),
        (r#"["x","y" , "\u007a"]"#, text("x,y,z")),
        (r#"["x, y","",""]"#, text("x, y,,")),
        (r#"["",""]"#, text(",")),
        ("[]", Cell::Absent),
        (r#"["x",1]"#, other(r#"["x",1]"#)),
        (r#"["x",null,"y"]"#, other(r#"["x",null,"y"]"#)),
        (r#"["x",["y"]]"#, other(r#"["x",["y"]]"#)),
        (r#""x""#, text("x")),
        ("null", Cell::Absent),
        ("1", other("1")),
    ];
    for (value, wanted) in cases {
        assert_eq!(all(&format!(r#"{{"a":{value}}}"#), &["a"]), wanted, "{value}");
    }
}

#[test]
fn nesting_has_an_end() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"a":["#, "]}]")] {
        let step = open.bytes().filter(|byte| b"[{".contains(byte)).count();
        for (depth, fits) in [(126, true), (127, true), (128, false), (100_000, false)] {
            // One more is the object around all.
            let times = depth / step;
            let rest = "[".repeat(depth % step);
            let rest_close = "]".repeat(depth % step);
            let line = format!(r#"{{"a":{}{rest}{rest_close}{}}}"#, open.repeat(times), close.repeat(times))
                .replace(":}", ":0}");
            assert_eq!(is_json(&line), fits, "{open} {depth}");
            let keys = vec!["a"; DEEPEST];
            assert_eq!(split(line.as_bytes(), &[path(&keys), path(&["a"])]).is_some(), fits, "{open} {depth}");
        }
    }
    for len in [127, 128] {
        let line = format!("{}\"x\"{}", r#"{"a":"#.repeat(len), "}".repeat(len));
        assert_eq!(one(&line, &vec!["a"; len]), text("x"));
        assert_eq!(one(&line, &vec!["a"; len + 1]), Cell::Absent);
    }
    assert_eq!(one("{}", &vec!["a"; 200_000]), Cell::Absent, "a path that no line can have");
}

/// A value, built whole. `raw` is where it stands.
#[derive(Debug)]
struct Value {
    raw: std::ops::Range<usize>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Null,
    Plain,
    Text(Vec<u8>),
    Array(Vec<Value>),
    Object(Vec<(Vec<u8>, Value)>),
}

/// A parser by recursive descent, a byte at a time, in the words of RFC 8259.
struct Parser<'a>(&'a [u8], usize);

impl Parser<'_> {
    fn peek(&self) -> u8 {
        // No byte of JSON's grammar.
        self.0.get(self.1).copied().unwrap_or(0xff)
    }

    fn eat(&mut self, wanted: &[u8]) -> bool {
        let is_there = self.0[self.1..].starts_with(wanted);
        self.1 += if is_there { wanted.len() } else { 0 };
        is_there
    }

    fn blanks(&mut self) {
        while b" \t\r\n".contains(&self.peek()) {
            self.1 += 1;
        }
    }

    fn value(&mut self, left: usize) -> Option<Value> {
        self.blanks();
        let start = self.1;
        let kind = match self.peek() {
            b'{' => Kind::Object(self.members(left.checked_sub(1)?)?),
            b'[' => Kind::Array(self.elements(left.checked_sub(1)?)?),
            b'"' => Kind::Text(self.text()?),
            b'n' => self.eat(b"null").then_some(Kind::Null)?,
            b't' => self.eat(b"true").then_some(Kind::Plain)?,
            b'f' => self.eat(b"false").then_some(Kind::Plain)?,
            _ => self.number()?,
        };
        let raw = start..self.1;
        self.blanks();
        Some(Value { raw, kind })
    }

    fn members(&mut self, left: usize) -> Option<Vec<(Vec<u8>, Value)>> {
        let mut members = Vec::new();
        self.eat(b"{");
        self.blanks();
        if self.eat(b"}") {
            return Some(members);
        }
        loop {
            self.blanks();
            let name = self.text()?;
            self.blanks();
            self.eat(b":").then_some(())?;
            members.push((name, self.value(left)?));
            if !self.eat(b",") {
                return self.eat(b"}").then_some(members);
            }
        }
    }

    fn elements(&mut self, left: usize) -> Option<Vec<Value>> {
        let mut elements = Vec::new();
        self.eat(b"[");
        self.blanks();
        if self.eat(b"]") {
            return Some(elements);
        }
        loop {
            elements.push(self.value(left)?);
            if !self.eat(b",") {
                return self.eat(b"]").then_some(elements);
            }
        }
    }

    /// Code units where there are escapes of them, because halves of a pair have to find each other.
    fn text(&mut self) -> Option<Vec<u8>> {
        self.eat(b"\"").then_some(())?;
        let mut bytes = Vec::new();
        let mut units = Vec::new();
        loop {
            let byte = *self.0.get(self.1)?;
            self.1 += 1;
            if byte == b'\\' && self.peek() == b'u' {
                let digits = str::from_utf8(self.0.get(self.1 + 1..self.1 + 5)?).ok()?;
                digits.chars().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
                units.push(u16::from_str_radix(digits, 16).unwrap());
                self.1 += 5;
                continue;
            }
            bytes.extend(String::from_utf16_lossy(&units).bytes());
            units.clear();
            match byte {
                b'"' => return Some(bytes),
                b'\\' => {
                    let (_, meant) = [
                        (b'"', b'"'),
                        (b'\\', b'\\'),
                        (b'/', b'/'),
                        (b'b', 8),
                        (b'f', 12),
                        (b'n', 10),
                        (b'r', 13),
                        (b't', 9),
                    ]
                    .into_iter()
                    .find(|(written, _)| *written == self.peek())?;
                    bytes.push(meant);
                    self.1 += 1;
                }
                0..=0x1f => return None,
                _ => bytes.push(byte),
            }
        }
    }

    fn number(&mut self) -> Option<Kind> {
        self.eat(b"-");
        if !self.eat(b"0") {
            self.digits()?;
        }
        if self.eat(b".") {
            self.digits()?;
        }
        if self.eat(b"e") || self.eat(b"E") {
            let _ = self.eat(b"+") || self.eat(b"-");
            self.digits()?;
        }
        Some(Kind::Plain)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.1;
        while self.peek().is_ascii_digit() {
            self.1 += 1;
        }
        (self.1 > start).then_some(())
    }
}

impl Value {
    fn at(&self, keys: &[String]) -> Option<&Self> {
        let Some((key, rest)) = keys.split_first() else { return Some(self) };
        match &self.kind {
            Kind::Object(members) => {
                members.iter().rev().find(|(name, _)| name == key.as_bytes()).and_then(|(_, value)| value.at(rest))
            }
            Kind::Array(elements) => elements.first().and_then(|first| first.at(keys)),
            _ => None,
        }
    }

    fn cell<'a>(&self, line: &'a [u8], joined: bool) -> Cell<'a> {
        let texts = |values: &[Self]| -> Option<Vec<Vec<u8>>> {
            values
                .iter()
                .map(|value| if let Kind::Text(text) = &value.kind { Some(text.clone()) } else { None })
                .collect()
        };
        match &self.kind {
            Kind::Null => Cell::Absent,
            Kind::Text(text) => Cell::Text(Cow::Owned(text.clone())),
            Kind::Array(elements) if elements.is_empty() => Cell::Absent,
            Kind::Array(elements) => match texts(if joined { elements } else { &elements[..1] }) {
                Some(texts) => Cell::Text(Cow::Owned(texts.join(&b','))),
                None => Cell::Other(&line[self.raw.clone()]),
            },
            Kind::Plain | Kind::Object(_) => Cell::Other(&line[self.raw.clone()]),
        }
    }
}

/// What [`split`] has to give.
fn expected<'a>(line: &'a [u8], paths: &[Path]) -> Option<Vec<Cell<'a>>> {
    let mut parser = Parser(line, 0);
    let value = parser.value(DEEPEST)?;
    if parser.1 != line.len() || !matches!(value.kind, Kind::Object(_)) {
        return None;
    }
    let cell = |path: &Path| value.at(&path.keys).map_or(Cell::Absent, |found| found.cell(line, path.joined));
    Some(paths.iter().map(cell).collect())
}

/// Names that are often the same, some of them written with escapes.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let names: [&[u8]; 9] = [b"a", b"a", b"b", b"c", b"\\u0061", b"", b"a.b", b"\\n", b"\xff"];
    prop_oneof![4 => proptest::sample::select(names.to_vec()).prop_map(<[u8]>::to_vec), 1 => inside_text()]
}

fn inside_text() -> impl Strategy<Value = Vec<u8>> {
    let escapes: [&[u8]; 9] =
        [b"\\\"", b"\\\\", b"\\/", b"\\n", b"\\u0041", b"\\ud83d", b"\\uDE00", b"\\ud83d\\ude00", b"\\u20AC"];
    let piece = prop_oneof![
        (0..70_usize).prop_map(|len| vec![b'x'; len]),
        proptest::sample::select(escapes.to_vec()).prop_map(<[u8]>::to_vec),
        "[ -!#-\\[\\]-~é]{0,9}".prop_map(String::into_bytes),
        (0x80..=0xff_u8).prop_map(|byte| vec![byte]),
    ];
    vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn quoted(inside: &[u8]) -> Vec<u8> {
    [b"\"", inside, b"\""].concat()
}

fn json() -> impl Strategy<Value = Vec<u8>> {
    let plain = ["0", "-1", "12.5", "1e9", "-0.5E-7", "true", "false", "null"];
    let leaf = prop_oneof![
        proptest::sample::select(plain.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        inside_text().prop_map(|inside| quoted(&inside)),
        vec(inside_text().prop_map(|inside| quoted(&inside)), 0..4).prop_map(|texts| [
            &b"["[..],
            &texts.join(&b','),
            b"]"
        ]
        .concat()),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            1 => (vec(inner.clone(), 0..4), blank()).prop_map(|(elements, blank)| {
                [b"[", &blank[..], &elements.join(&[&b","[..], &blank].concat()[..]), b"]"].concat()
            }),
            2 => object(inner),
        ]
    })
}

fn object(value: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (vec((name(), value), 0..5), blank()).prop_map(|(members, blank)| {
        let member = |(name, value): &(Vec<u8>, Vec<u8>)| [&quoted(name)[..], &blank, b":", &blank, value].concat();
        let members: Vec<_> = members.iter().map(member).collect();
        [b"{", &blank[..], &members.join(&[&blank[..], b","].concat()[..]), &blank, b"}"].concat()
    })
}

fn blank() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => Just(Vec::new()), 1 => Just(b" ".to_vec()), 1 => Just(b"\t\r\n".to_vec())]
}

fn paths() -> impl Strategy<Value = Vec<Path>> {
    let key = proptest::sample::select(vec!["a", "a", "b", "c", "", "a.b", "\n"]).prop_map(str::to_owned);
    vec((vec(key, 0..4), any::<bool>()).prop_map(|(keys, joined)| Path { keys, joined }), 0..5)
}

/// Bytes that are put in, out or in the place of another, where a fraction of the line is over.
fn changes() -> impl Strategy<Value = Vec<(f64, u8, u8)>> {
    let bytes = proptest::sample::select(b"\"\\{}[],:0123.eE+-tfnu \t\x00\x1f\x7f\x80a".to_vec());
    vec((0.0..1.0, 0..3_u8, bytes), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn objects_are_split_as_the_whole_value_says(line in object(json()), paths in paths()) {
        let cells = expected(&line, &paths);
        prop_assert!(cells.is_some(), "made as JSON");
        prop_assert_eq!(split(&line, &paths), cells);
    }

    #[test]
    fn lines_with_faults_are_split_or_refused_alike(
        line in object(json()), changes in changes(), paths in paths(),
    ) {
        let mut line = line;
        for (place, kind, byte) in changes {
            let at = (place * line.len() as f64) as usize;
            line.splice(at..(at + usize::from(kind > 0)).min(line.len()), (kind < 2).then_some(byte));
        }
        prop_assert_eq!(split(&line, &paths), expected(&line, &paths));
    }

    #[test]
    fn any_bytes_are_split_or_refused_alike(line in "[{\\[\"a:,\\]}\\\\ 01n]{0,40}", paths in paths()) {
        prop_assert_eq!(split(line.as_bytes(), &paths), expected(line.as_bytes(), &paths));
    }
}
