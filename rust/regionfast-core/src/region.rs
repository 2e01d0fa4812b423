//! The text of a region: what a database may say, and what becomes of it.
//!
//! A code is two capital letters (ISO 3166-1 alpha-2), or these, a dash and the subdivision (ISO 3166-2).
//! Whether ISO has assigned the code is not asked: databases also carry withdrawn codes (`AN`), user-assigned
//! ones (`XK`) and names in the place of the subdivision (`US-California`), and they stay as they are.

use std::sync::Arc;

use crate::level::Level;
use crate::slot::{Place, Status};

/// Longest text of a subdivision, in bytes. Names in databases have at most 49.
const MAX_SUBDIVISION: usize = 64;

/// What the region text of a record stands for; `None` for text of another shape.
///
/// | text | place |
/// |---|---|
/// | `US`, `US-CA`, `US-California`, `AN`, `CN-22` | that region |
/// | `CN-HK`, `CN-MO`, `CN-TW` | `HK`, `MO`, `TW`; what follows another dash stays: `CN-HK-KLN` is `HK-KLN` |
/// | `A1` (anonymous proxy), `T1` (Tor) | [`Status::Relay`] |
/// | empty, `-`, `--`, `A2`, `AP`, `EU`, `O1`, `XX`, `ZZ` | [`Status::Unknown`] |
/// | a pseudo-code with a subdivision, `EU-1` | as the pseudo-code |
///
/// `-` is how IP2Location's files say that a range is in no country.
#[must_use]
pub fn place(text: &str) -> Option<Place> {
    let (country, subdivision) = match text.split_once('-') {
        Some((country, subdivision)) => (country, Some(subdivision)),
        None => (text, None),
    };
    match (country, subdivision) {
        ("", None | Some("" | "-")) => return Some(Place::Status(Status::Unknown)),
        (_, Some(name)) if !is_subdivision(name) => return None,
        ("A1" | "T1", _) => return Some(Place::Status(Status::Relay)),
        ("A2" | "AP" | "EU" | "O1" | "XX" | "ZZ", _) => return Some(Place::Status(Status::Unknown)),
        _ if !is_country(country) => return None,
        _ => {}
    }
    match subdivision {
        Some(nested) if country == "CN" && ["HK", "MO", "TW"].iter().any(|own| contains(own, nested)) => place(nested),
        _ => Some(Place::Region(Arc::from(text))),
    }
}

/// The place of a record that has the subdivision in a field of its own; `None` if the country is of no
/// right shape.
///
/// `US` and `CA`, and also `US` and `US-CA`, give `US-CA`. A subdivision that is empty or cannot stand in a
/// code (a comma, a control character, too long) leaves the country, which is true as well.
#[must_use]
pub fn subdivision(country: &str, subdivision: &str) -> Option<Place> {
    let whole = place(country)?;
    if subdivision.is_empty() || matches!(whole, Place::Status(_)) {
        return Some(whole);
    }
    let is_code = subdivision.strip_prefix(country).is_some_and(|rest| rest.starts_with('-'));
    let part = if is_code { place(subdivision) } else { place(&format!("{country}-{subdivision}")) };
    part.or(Some(whole))
}

/// Whether a region lies in another, or is the same: `US` holds `US-CA`, `CN` does not hold `HK`.
#[must_use]
pub fn contains(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Whether a table of this level can be asked for a region; else why not. A question that no row can answer
/// would be answered by "nobody is there", which is wrong.
///
/// # Errors
/// Text of another shape, pseudo-codes and groups (`EU`), `CN-HK` for `HK`, a subdivision at level `country`.
pub fn check(code: &str, level: Level) -> Result<(), String> {
    match place(code) {
        Some(Place::Region(own)) if *own != *code => Err(format!("`{code}` is `{own}`, a region of its own")),
        Some(Place::Region(_)) if level == Level::Country && code.contains('-') => Err(format!(
            "`{code}` is a subdivision, and this table tells countries only: open it with level `subdivision`"
        )),
        Some(Place::Region(_)) => Ok(()),
        Some(Place::Status(_)) if !code.is_empty() => {
            Err(format!("`{code}` is no region of ISO 3166: name the countries"))
        }
        _ => Err(refusal(code)),
    }
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Text that goes unquoted through a list or a CSV file and shows as what it is.
fn is_subdivision(text: &str) -> bool {
    (1..=MAX_SUBDIVISION).contains(&text.len())
        && text.trim().len() == text.len()
        && !text.chars().any(|character| character.is_control() || matches!(character, ',' | '"'))
}

/// Says that text is no region. Only text of letters and dashes is repeated: in a file with its columns mixed
/// up it may be an address.
pub(crate) fn refusal(text: &str) -> String {
    let shown = (1..=24).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b' '));
    let text = if shown { format!("`{text}`") } else { "the text in the column of the region".to_owned() };
    format!("{text} is no region code: write two capital letters, such as `US`, or with a subdivision, `US-CA`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn region(code: &str) -> Option<Place> {
        Some(Place::Region(Arc::from(code)))
    }

    const UNKNOWN: Option<Place> = Some(Place::Status(Status::Unknown));
    const RELAY: Option<Place> = Some(Place::Status(Status::Relay));

    #[test]
    fn text_of_the_right_shape_stays() {
        for code in [
            "US",
            "CN",
            "HK",
            "AN",
            "XK",
            "US-CA",
            "CN-22",
            "CN-H",
            "CN-HKG",
            "CN-Hong Kong",
            "US-California",
            "LU-LU",
            "MT-L-Imsida",
            "TD-N'Djamena",
            "TO-ʻEua",
        ] {
            assert_eq!(place(code), region(code), "{code}");
        }
        assert_eq!(place(&format!("US-{}", "x".repeat(64))), region(&format!("US-{}", "x".repeat(64))));
    }

    #[test]
    fn three_regions_are_their_own() {
        for (text, code) in
            [("CN-HK", "HK"), ("CN-MO", "MO"), ("CN-TW", "TW"), ("CN-HK-KLN", "HK-KLN"), ("US-HK", "US-HK")]
        {
            assert_eq!(place(text), region(code), "{text}");
        }
    }

    #[test]
    fn only_what_a_table_can_tell_may_be_asked() {
        for code in ["US", "HK", "XK"] {
            assert_eq!(check(code, Level::Country), Ok(()), "{code}");
        }
        assert_eq!(check("US-CA", Level::Subdivision), Ok(()));
        for (code, said) in [
            ("US-CA", "tells countries only"),
            ("CN-HK", "is `HK`"),
            ("EU", "name the countries"),
            ("us", "no region code"),
            ("China", "no region code"),
            ("", "no region code"),
        ] {
            let refused = check(code, Level::Country);
            assert!(refused.as_ref().is_err_and(|message| message.contains(said)), "{code}: {refused:?}");
        }
    }

    #[test]
    fn pseudo_codes_are_statuses() {
        for text in ["", "-", "--", "A2", "AP", "EU", "O1", "XX", "ZZ", "EU-1", "ZZ-Nowhere"] {
            assert_eq!(place(text), UNKNOWN, "{text}");
        }
        for text in ["A1", "T1", "T1-Exit"] {
            assert_eq!(place(text), RELAY, "{text}");
        }
    }

    #[test]
    fn other_shapes_are_refused() {
        for text in [
            "us",
            "Us",
            "U",
            "USA",
            "U1",
            "1",
            "12",
            " US",
            "US ",
            "US-",
            "US- CA",
            "US-CA ",
            "-US",
            "-CA",
            "---",
            "US_CA",
            "US-a,b",
            "US-a\"b",
            "US-a\0",
            "US-a\nb",
            "EU-\n",
            "UŠ",
            "ÜS",
            "ＵＳ",
            "192.0.2.1",
            "2001:db8::",
            "relay",
        ] {
            assert_eq!(place(text), None, "{text:?}");
        }
        assert_eq!(place(&format!("US-{}", "x".repeat(65))), None);
    }

    #[test]
    fn country_and_subdivision() {
        for (country, part, code) in [
            ("US", "CA", "US-CA"),
            ("US", "US-CA", "US-CA"),
            ("US", "", "US"),
            ("US", "a,b", "US"),
            ("US", "\0", "US"),
            ("LU", "LU", "LU-LU"),
            ("MT", "L-Imsida", "MT-L-Imsida"),
            ("CN", "HK", "HK"),
            ("CN", "CN-HK", "HK"),
            ("CN", "22", "CN-22"),
        ] {
            assert_eq!(subdivision(country, part), region(code), "{country} {part}");
        }
        assert_eq!(subdivision("EU", "CA"), UNKNOWN);
        assert_eq!(subdivision("", "CA"), UNKNOWN);
        assert_eq!(subdivision("A1", "CA"), RELAY);
        assert_eq!(subdivision("usa", "CA"), None);
    }

    #[test]
    fn containment_ends_at_a_dash() {
        for (outer, inner, held) in [
            ("US", "US", true),
            ("US", "US-CA", true),
            ("US-CA", "US-CA", true),
            ("US-CA", "US", false),
            ("US-C", "US-CA", false),
            ("CN", "HK", false),
            ("U", "US", false),
        ] {
            assert_eq!(contains(outer, inner), held, "{outer} {inner}");
        }
    }

    #[test]
    fn a_refusal_never_repeats_an_address() {
        assert!(refusal("usa").starts_with("`usa` is no region code"));
        for text in ["192.0.2.1", "2001:db8::", "3221225985", "", "fe80::1", "x\n"] {
            assert!(refusal(text).starts_with("the text in the column of the region is no"), "{text}");
        }
    }

    proptest! {
        /// A table is stored with its codes and opened through the same door.
        #[test]
        fn what_comes_out_goes_in_again(text in "[A-Z]{2}(-\\PC{0,70})?|\\PC{0,9}|CN-(HK|MO|TW)(-\\PC{1,9})?") {
            if let Some(Place::Region(code)) = place(&text) {
                prop_assert_eq!(place(&code), Some(Place::Region(code.clone())));
                prop_assert!(!contains("CN-HK", &code));
            }
        }
    }
}
