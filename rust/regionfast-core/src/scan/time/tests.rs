use super::*;
use proptest::prelude::*;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 400 == 0 => 29,
        2 if year % 100 == 0 => 28,
        2 if year % 4 == 0 => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[test]
fn every_day_of_eight_thousand_years() {
    let mut count = 0;
    for year in 1970..10_000 {
        for month in 1..=12 {
            for day in 1..=length(year, month) {
                assert_eq!(days(year, month, day), Some(count), "{year}-{month}-{day}");
                count += 1;
            }
            for day in [-1, 0, length(year, month) + 1, 99] {
                assert_eq!(days(year, month, day), None, "{year}-{month}-{day}");
            }
        }
        assert_eq!(days(year, 0, 1).or(days(year, 13, 1)), None);
    }
    assert_eq!(count * DAY - 1, LAST);
}

#[test]
fn days_before_1970_count_down() {
    let mut count = 0;
    for year in (0..1970).rev() {
        for month in (1..=12).rev() {
            for day in (1..=length(year, month)).rev() {
                count -= 1;
                assert_eq!(days(year, month, day), Some(count), "{year}-{month}-{day}");
            }
        }
    }
}

#[test]
fn common_log_format() {
    for (text, expected) in [
        ("01/Jan/1970:00:00:00 +0000", Some(0)),
        ("10/Oct/2000:13:55:36 -0700", Some(971_211_336)),
        ("10/Oct/2000:20:55:36 +0000", Some(971_211_336)),
        ("11/Oct/2000:02:25:36 +0530", Some(971_211_336)),
        ("10/Oct/2000:20:55:36 -0000", Some(971_211_336)),
        ("29/Feb/2000:00:00:00 +0000", Some(951_782_400)),
        ("31/Dec/9999:23:59:59 +0000", Some(LAST)),
        // Offsets carry over the ends of the years that count.
        ("31/Dec/1969:23:00:00 -0100", Some(0)),
        ("01/Jan/1970:00:59:59 +0100", None),
        ("31/Dec/9999:23:59:59 -0001", None),
        ("01/Jan/1970:23:59:00 +2359", Some(0)),
        ("31/Dec/1969:00:01:00 -2359", Some(0)),
        // A leap second is the second before it.
        ("31/Dec/2016:23:59:60 +0000", Some(1_483_228_799)),
        ("31/Dec/2016:23:59:61 +0000", None),
        ("31/Dec/2016:23:60:00 +0000", None),
        ("31/Dec/2016:24:00:00 +0000", None),
        ("29/Feb/1900:00:00:00 +0000", None),
        ("29/Feb/2001:00:00:00 +0000", None),
        ("31/Apr/2001:00:00:00 +0000", None),
        ("00/Oct/2000:13:55:36 -0700", None),
        ("10/oct/2000:13:55:36 -0700", None),
        ("10/Okt/2000:13:55:36 -0700", None),
        ("10/Oct/2000:13:55:36 -2400", None),
        ("10/Oct/2000:13:55:36 -0760", None),
        ("10/Oct/2000:13:55:36  0700", None),
        ("10/Oct/2000:13:55:36 07000", None),
        ("10/Oct/2000:13:55:36", None),
        ("10/Oct/2000:13:55:36 Z", None),
        ("10/Oct/2000 13:55:36 -0700", None),
        ("10-Oct-2000:13:55:36 -0700", None),
        ("10/Oct/2000:13.55:36 -0700", None),
        ("10/Oct/2000:13:55.36 -0700", None),
        (" 1/Oct/2000:13:55:36 -0700", None),
        ("+1/Oct/2000:13:55:36 -0700", None),
        ("10/Oct/2000:13:55:36 -0700 ", None),
        ("[10/Oct/2000:13:55:36 -0700", None),
        ("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0055:36\0\0\0\0\0\0", None),
        ("", None),
        ("-", None),
    ] {
        assert_eq!(seconds(Form::Clf, text.as_bytes()), expected, "{text}");
        assert_eq!(Clock::default().seconds(text.as_bytes()), expected, "{text}");
        assert_eq!(seconds(Form::Any, text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn iso_8601() {
    for (text, expected) in [
        ("2000-10-10T13:55:36-07:00", Some(971_211_336)),
        ("2000-10-10 13:55:36-07:00", Some(971_211_336)),
        ("2000-10-10T13:55:36-0700", Some(971_211_336)),
        ("2000-10-10T13:55:36-07", Some(971_211_336)),
        ("2000-10-10T20:55:36Z", Some(971_211_336)),
        ("2000-10-10T20:55:36.5Z", Some(971_211_336)),
        ("2000-10-10T20:55:36,999999999999999999999Z", Some(971_211_336)),
        ("2000-10-11T02:25:36.000+05:30", Some(971_211_336)),
        ("2000-10-10T20:55:36-00:00", Some(971_211_336)),
        ("1970-01-01T00:00:00Z", Some(0)),
        ("1970-01-01T00:00:00+00:01", None),
        ("1969-12-31T23:59:59Z", None),
        ("9999-12-31T23:59:60.5Z", Some(LAST)),
        ("0000-01-01T00:00:00Z", None),
        ("2000-10-10T24:00:00Z", None),
        ("2000-10-10T20:60:36Z", None),
        ("2000-10-10T20:55:61Z", None),
        ("2000-13-10T20:55:36Z", None),
        ("2000-00-10T20:55:36Z", None),
        ("2000-02-30T20:55:36Z", None),
        ("2000-10-10T20:55Z", None),
        ("2000-10-10T20:55:36.Z", None),
        ("2000-10-10T20:55:36.+01:00", None),
        ("2000-10-10T20:55:36z", None),
        ("2000-10-10t20:55:36Z", None),
        ("2000-10-10T20:55:36 Z", None),
        ("2000-10-10T20:55:36+24:00", None),
        ("2000-10-10T20:55:36+01:60", None),
        ("2000-10-10T20:55:36+1", None),
        ("2000-10-10T20:55:36+010", None),
        ("2000-10-10T20:55:36+01:0", None),
        ("2000-10-10T20:55:36+01-00", None),
        ("2000-10-10T20:55:36*01:00", None),
        ("2000-10-10T20:55:36\u{2212}01:00", None),
        ("2000-10-10T20:55:36Z ", None),
        ("2000-10-10", None),
        ("20001010T205536Z", None),
        ("", None),
    ] {
        assert_eq!(seconds(Form::Iso, text.as_bytes()), expected, "{text}");
        assert_eq!(seconds(Form::IsoUtc, text.as_bytes()), expected, "{text}");
        assert_eq!(seconds(Form::Any, text.as_bytes()), expected, "{text}");
    }
    for (text, in_utc) in [
        ("2000-10-10 20:55:36", Some(971_211_336)),
        ("2000-10-10T20:55:36.75", Some(971_211_336)),
        ("2000-10-10T20:55:36.", None),
        ("2000-10-10 20:55", None),
    ] {
        assert_eq!(seconds(Form::Iso, text.as_bytes()), None, "{text}");
        assert_eq!(seconds(Form::Any, text.as_bytes()), None, "{text}");
        assert_eq!(seconds(Form::IsoUtc, text.as_bytes()), in_utc, "{text}");
    }
}

#[test]
fn epochs() {
    for (text, expected) in [
        ("0", Some(0)),
        ("971211336", Some(971_211_336)),
        ("971211336.999999", Some(971_211_336)),
        ("971211336000", Some(971_211_336)),
        ("971211336000.5", Some(971_211_336)),
        ("971211336000000", Some(971_211_336)),
        ("971211336000000000", Some(971_211_336)),
        ("971211336999999999", Some(971_211_336)),
        ("99999999999", Some(99_999_999_999)),
        ("99999999999.9", Some(99_999_999_999)),
        ("100000000000", Some(100_000_000)),
        ("99999999999999", Some(99_999_999_999)),
        ("100000000000000", Some(100_000_000)),
        ("99999999999999999", Some(99_999_999_999)),
        ("100000000000000000", Some(100_000_000)),
        ("253402300799999999999", Some(LAST)),
        ("253402300800000000000", None),
        ("9999999999999999999999999999999999999999999999999999", None),
        ("000971211336", Some(971_211_336)),
        ("0000000000000000000000000000000000000000971211336", Some(971_211_336)),
        ("9.71211336e8", Some(971_211_336)),
        ("9.71211336999E+8", Some(971_211_336)),
        ("9711e5", Some(971_100_000)),
        ("9.71211336e+17", Some(971_211_336)),
        ("971211336000e-3", Some(971_211_336)),
        ("0.000971211336e12", Some(971_211_336)),
        ("5e-1", Some(0)),
        ("5e-99999999999999999999", Some(0)),
        ("5e99999999999999999999", None),
        ("0e99999999999999999999", Some(0)),
        ("-1", None),
        ("-0.5", None),
        ("+1", None),
        ("1.", None),
        (".5", None),
        ("1,5", None),
        ("1e", None),
        ("1e+", None),
        ("1e1.5", None),
        ("1.5.5", None),
        ("0x10", None),
        ("1_000", None),
        (" 1", None),
        ("1 ", None),
        ("true", None),
        ("NaN", None),
        ("\u{661}", None),
        ("", None),
        ("-", None),
    ] {
        assert_eq!(seconds(Form::Epoch, text.as_bytes()), expected, "{text}");
        assert_eq!(seconds(Form::Any, text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn a_clock_that_failed_still_goes_right() {
    let mut clock = Clock::default();
    for (text, expected) in [
        ("10/Oct/2000:13:55:36 -0700", Some(971_211_336)),
        ("10/Oct/2000:13:55:37 -0700", Some(971_211_337)),
        ("10/Oct/2000:13:65:37 -0700", None),
        ("10/Oct/2000:33:55:37 -0700", None),
        ("10/Oct/2000:33:55:37 -0700", None),
        ("10/Oct/2000:13:55:37 -0799", None),
        ("10/Oct/2000:13:00:00 -0700", Some(971_208_000)),
        ("10/Oct/2000:13:00:00 +0000", Some(971_182_800)),
        // Half an hour of this hour lies before 1970.
        ("01/Jan/1970:00:30:00 +0030", Some(0)),
        ("01/Jan/1970:00:29:59 +0030", None),
    ] {
        assert_eq!(clock.seconds(text.as_bytes()), expected, "{text}");
    }
}

const HOURS: &[(&str, &str)] = &[
    ("10/Oct/2000:13:", " -0700"),
    ("10/Oct/2000:14:", " -0700"),
    ("10/Oct/2000:13:", " +0000"),
    ("01/Jan/1970:00:", " +0030"),
];

#[test]
fn every_minute_and_second_and_every_wrong_byte() {
    for minute in 0..100 {
        for second in 0..100 {
            let clock = format!("{minute:02}:{second:02}").into_bytes().try_into().unwrap();
            let expected = (minute < 60 && second <= 60).then_some(minute * 60 + second.min(59));
            assert_eq!(minutes(clock), expected, "{minute}:{second}");
        }
    }
    for right in [*b"00:00", *b"55:36", *b"59:59", *b"09:60"] {
        for at in 0..right.len() {
            for byte in 0..=u8::MAX {
                let mut clock = right;
                *clock.get_mut(at).unwrap() = byte;
                let is_right = if at == 2 { byte == b':' } else { byte.is_ascii_digit() };
                assert!(is_right || minutes(clock).is_none(), "{clock:?}");
            }
        }
    }
}

/// A day and a time of day in text, with what they come to by counting days one by one.
#[derive(Clone, Debug)]
struct Moment {
    year: i64,
    month: i64,
    day: i64,
    clock: (i64, i64, i64),
    offset: (char, i64, i64),
}

impl Moment {
    fn expected(&self) -> Option<i64> {
        let (hour, minute, second) = self.clock;
        let (sign, hours, minutes) = self.offset;
        if !(1..=12).contains(&self.month) || !(1..=length(self.year, self.month)).contains(&self.day) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 60 || hours > 23 || minutes > 59 {
            return None;
        }
        let mut days = self.day - 1;
        for year in 1970..self.year {
            days += if length(year, 2) == 29 { 366 } else { 365 };
        }
        for year in self.year..1970 {
            days -= if length(year, 2) == 29 { 366 } else { 365 };
        }
        for month in 1..self.month {
            days += length(self.year, month);
        }
        let ahead = (hours * 60 + minutes) * 60;
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + if second == 60 { 59 } else { second };
        let seconds = if sign == '+' { seconds - ahead } else { seconds + ahead };
        (0..253_402_300_800).contains(&seconds).then_some(seconds)
    }

    fn clf(&self) -> String {
        let (hour, minute, second) = self.clock;
        let (sign, hours, minutes) = self.offset;
        let month = MONTHS.get(usize::try_from(self.month - 1).unwrap()).unwrap_or(&"Foo");
        let (year, day) = (self.year, self.day);
        format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} {sign}{hours:02}{minutes:02}")
    }

    fn iso(&self, fraction: &str) -> String {
        let (hour, minute, second) = self.clock;
        let (sign, hours, minutes) = self.offset;
        let (year, month, day) = (self.year, self.month, self.day);
        let date = format!("{year:04}-{month:02}-{day:02}");
        format!("{date}T{hour:02}:{minute:02}:{second:02}{fraction}{sign}{hours:02}:{minutes:02}")
    }
}

/// Mostly times that there are, around the bounds of everything.
fn moments() -> impl Strategy<Value = Moment> {
    let year = prop_oneof![0_i64..=9999, 1968_i64..=2030, 9998_i64..=9999];
    let clock = (0_i64..=24, 0_i64..=60, 0_i64..=61);
    let offset = (prop_oneof![Just('+'), Just('-')], 0_i64..=24, prop_oneof![Just(0_i64), 0_i64..=60]);
    (year, 1_i64..=13, 0_i64..=32, clock, offset).prop_map(|(year, month, day, clock, offset)| Moment {
        year,
        month,
        day,
        clock,
        offset,
    })
}

proptest! {
    #[test]
    fn counted_day_by_day(moment in moments(), fraction in "([.,][0-9]{1,12})?") {
        let expected = moment.expected();
        prop_assert_eq!(seconds(Form::Clf, moment.clf().as_bytes()), expected);
        prop_assert_eq!(seconds(Form::Iso, moment.iso(&fraction).as_bytes()), expected);
    }

    /// Few hours and many bytes that are wrong, so that the clock is right about what it has seen before.
    #[test]
    fn clock_is_as_if_new(
        lines in prop::collection::vec(
            (prop::sample::select(HOURS), 0..=61, 0..=61, prop::option::weighted(0.2, (0_usize..26, any::<u8>()))),
            1..60,
        ),
    ) {
        let mut clock = Clock::default();
        for ((date, zone), minute, second, wrong) in lines {
            let mut text = format!("{date}{minute:02}:{second:02}{zone}").into_bytes();
            if let Some((at, byte)) = wrong {
                *text.get_mut(at).unwrap() = byte;
            }
            prop_assert_eq!(clock.seconds(&text), seconds(Form::Clf, &text));
        }
    }

    #[test]
    fn epoch_in_every_unit(time in 0_i64..=99_999_999_999, below in 0_u64..1_000_000_000) {
        prop_assert_eq!(seconds(Form::Epoch, format!("{time}.{below:09}").as_bytes()), Some(time));
        for digits in [3, 6, 9] {
            let part = &format!("{below:09}")[..digits];
            let text = format!("{time}{part}.{below}");
            // Small numbers are taken for a larger unit, as the magnitude says.
            if time >= 100_000_000 {
                prop_assert_eq!(seconds(Form::Epoch, text.as_bytes()), Some(time), "{}", text);
            }
        }
    }

    #[test]
    fn exponents_move_the_point(digits in "[0-9]{1,18}", fraction in "[0-9]{1,18}", point in 0_usize..18) {
        // The same number, with its point moved to the left.
        let (before, behind) = digits.split_at(point.min(digits.len() - 1));
        let moved = behind.len();
        let before = if before.is_empty() { "0" } else { before };
        let plain = format!("{digits}.{fraction}");
        let scientific = format!("{before}.{behind}{fraction}e{moved}");
        prop_assert_eq!(seconds(Form::Epoch, plain.as_bytes()), seconds(Form::Epoch, scientific.as_bytes()));
    }

    #[test]
    fn any_bytes_are_answered(text: Vec<u8>) {
        for form in [Form::Clf, Form::Iso, Form::IsoUtc, Form::Epoch, Form::Any] {
            if let Some(time) = seconds(form, &text) {
                prop_assert!((0..=LAST).contains(&time));
            }
        }
    }
}
