//! Times of lines: text to whole seconds since 1970-01-01T00:00:00Z, or `None`, which is called *undated*.
//!
//! | form | text |
//! |---|---|
//! | CLF | `10/Oct/2000:13:55:36 -0700`: Apache's `%t` without its brackets, in English whatever the locale |
//! | ISO 8601, RFC 3339 | `2000-10-10T13:55:36.25-07:00`: `T` or a blank, `Z` or `±HH:MM`, `±HHMM`, `±HH` |
//! | epoch | `971211336`, `971211336.25`, `9.71211336e8`: seconds, or by magnitude thousandths and so on |
//!
//! All are strict: months have their lengths, hours end at 23, nothing stands before or behind, digits are ASCII. An
//! offset is less than a day. A leap second, `:60`, counts as the second before it, as POSIX time has none. Fractions
//! are cut off. What lies outside the years 1970 to 9999, in UTC, is undated: in a log it is a broken clock or a field
//! that is no time.
//!
//! | work | cost |
//! |---|---|
//! | CLF time of the same hour as the one before ([`Clock`]) | 21 bytes compared, 4 digits read |
//! | any other time | O(its length) |

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Common log format.
    Clf,
    /// ISO 8601 with an offset from UTC; without one the time is undated.
    Iso,
    /// ISO 8601; a time without an offset is UTC.
    IsoUtc,
    /// A number since 1970: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds.
    Epoch,
    /// The first of ISO 8601 with an offset, epoch and CLF that it is. No text is two of them.
    Any,
}

/// The last second of the year 9999.
const LAST: i64 = 253_402_300_799;
const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

/// Seconds since 1970 in UTC; `None` where the text is no time of this form, or outside the years 1970 to 9999.
#[must_use]
pub fn seconds(form: Form, text: &[u8]) -> Option<i64> {
    match form {
        Form::Clf => clf(text),
        Form::Iso => iso(text, None),
        Form::IsoUtc => iso(text, Some(0)),
        Form::Epoch => epoch(text),
        Form::Any => iso(text, None).or_else(|| epoch(text)).or_else(|| clf(text)),
    }
}

/// Reads times of the common log format, most of which share the hour with the line before.
#[derive(Clone, Debug)]
pub struct Clock {
    // INVARIANT: `date` and `zone` are those of a valid time, and `start` is where their hour begins. `default` and
    // `turn` are the only places that write them.
    date: [u8; 15],
    zone: [u8; 6],
    start: i64,
}

impl Default for Clock {
    /// A clock that stands at the first hour of 1970.
    fn default() -> Self {
        Self { date: *b"01/Jan/1970:00:", zone: *b" +0000", start: 0 }
    }
}

impl Clock {
    /// The same as [`seconds`] of [`Form::Clf`].
    #[inline]
    #[must_use]
    pub fn seconds(&mut self, text: &[u8]) -> Option<i64> {
        let parts = Clf::of(text)?;
        if *parts.date != self.date || *parts.zone != self.zone {
            self.turn(&parts)?;
        }
        dated(self.start + minutes(*parts.clock)?)
    }

    /// Sets the clock to another hour.
    #[cold]
    fn turn(&mut self, parts: &Clf<'_>) -> Option<()> {
        self.start = parts.hour()?;
        (self.date, self.zone) = (*parts.date, *parts.zone);
        Some(())
    }
}

fn clf(text: &[u8]) -> Option<i64> {
    let parts = Clf::of(text)?;
    dated(parts.hour()? + minutes(*parts.clock)?)
}

/// A time of the common log format in its parts, of which nothing but the length was looked at.
struct Clf<'a> {
    /// `10/Oct/2000:13:`
    date: &'a [u8; 15],
    /// `55:36`
    clock: &'a [u8; 5],
    /// ` -0700`
    zone: &'a [u8; 6],
}

impl<'a> Clf<'a> {
    #[inline]
    fn of(text: &'a [u8]) -> Option<Self> {
        let (date, rest) = text.split_first_chunk()?;
        let (clock, zone) = rest.split_first_chunk()?;
        Some(Self { date, clock, zone: zone.try_into().ok()? })
    }

    /// Where the hour begins: all but minutes and seconds.
    fn hour(&self) -> Option<i64> {
        let &[d1, d0, b'/', m2, m1, m0, b'/', y3, y2, y1, y0, b':', h1, h0, b':'] = self.date else { return None };
        let &[b' ', sign, z3, z2, z1, z0] = self.zone else { return None };
        let month = month(&[m2, m1, m0])?;
        let days = days(year([y3, y2, y1, y0])?, month, two([d1, d0])?)?;
        Some(days * DAY + hours([h1, h0])? - offset(sign, [z3, z2], [z1, z0])?)
    }
}

/// English, whatever the locale: `strftime` of the C locale in Apache, `ngx_http_time` in nginx.
fn month(name: &[u8; 3]) -> Option<i64> {
    Some(match name {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    })
}

/// A time of ISO 8601; `default` is the offset of one that has none.
fn iso(text: &[u8], default: Option<i64>) -> Option<i64> {
    let (&[y3, y2, y1, y0, b'-', m1, m0, b'-', d1, d0, b'T' | b' ', h1, h0, b':'], rest) = text.split_first_chunk()?
    else {
        return None;
    };
    let (&clock, rest) = rest.split_first_chunk()?;
    let offset = match without_fraction(rest)? {
        b"" => default?,
        b"Z" => 0,
        &[sign, z3, z2] => offset(sign, [z3, z2], *b"00")?,
        &[sign, z3, z2, z1, z0] | &[sign, z3, z2, b':', z1, z0] => offset(sign, [z3, z2], [z1, z0])?,
        _ => return None,
    };
    let days = days(year([y3, y2, y1, y0])?, two([m1, m0])?, two([d1, d0])?)?;
    dated(days * DAY + hours([h1, h0])? + minutes(clock)? - offset)
}

/// What stands behind a fraction, which has at least one digit.
fn without_fraction(text: &[u8]) -> Option<&[u8]> {
    let Some((b'.' | b',', digits)) = text.split_first() else { return Some(text) };
    match digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len()) {
        0 => None,
        end => digits.get(end..),
    }
}

/// A number of JSON, or digits with a fraction. Negative ones are before 1970.
fn epoch(text: &[u8]) -> Option<i64> {
    let whole = whole(text)?;
    let per_second = match whole {
        0..100_000_000_000 => 1,
        100_000_000_000..100_000_000_000_000 => 1_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000_000,
        _ => 1_000_000_000,
    };
    dated(i64::try_from(whole / per_second).ok()?)
}

/// The whole part of a number: `9.71e8` is 971000000. Its digits are taken as they stand, since a binary fraction
/// would round nanoseconds into another second.
fn whole(text: &[u8]) -> Option<u128> {
    let (digits, rest) = digits(text)?;
    let (fraction, rest) = match rest.strip_prefix(b".") {
        Some(rest) => self::digits(rest)?,
        None => (&[][..], rest),
    };
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', exponent @ ..] => self::exponent(exponent)?,
        _ => return None,
    };
    let leading = digits.iter().chain(fraction).take_while(|digit| **digit == b'0').count();
    let mut significant = digits.iter().chain(fraction).skip(leading).peekable();
    if significant.peek().is_none() {
        return Some(0);
    }
    // How many digits the whole part has from the first on that is not zero. The last nanosecond has 21.
    let count = i64::try_from(digits.len()).ok()? - i64::try_from(leading).ok()? + exponent;
    if count > 21 {
        return None;
    }
    let count = usize::try_from(count).unwrap_or(0);
    Some(
        significant
            .chain(std::iter::repeat(&b'0'))
            .take(count)
            .fold(0, |sum, digit| sum * 10 + u128::from(digit - b'0')),
    )
}

/// The digits at the front, at least one, and what follows them.
fn digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    match text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len()) {
        0 => None,
        end => text.split_at_checked(end),
    }
}

/// A power of ten. One with more than nine digits is as good as one with nine.
fn exponent(text: &[u8]) -> Option<i64> {
    let (is_negative, text) = match text {
        [b'-', text @ ..] => (true, text),
        [b'+', text @ ..] | text => (false, text),
    };
    let (digits, []) = digits(text)? else { return None };
    let size = digits.iter().fold(0, |sum, digit| (sum * 10 + i64::from(digit - b'0')).min(1_000_000_000));
    Some(if is_negative { -size } else { size })
}

/// Nothing but the years 1970 to 9999.
#[inline]
fn dated(seconds: i64) -> Option<i64> {
    (0..=LAST).contains(&seconds).then_some(seconds)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; `None` where there is no such day.
///
/// The arithmetic is `days_from_civil` of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (2013): years
/// begin in March, so that the leap day is the last of its year, and repeat after 400 years of 146097 days. From March
/// on, months have 31 30 31 30 31, 31 30 31 30 31, 31 days, which `(153 m + 2) / 5` adds up:
///
/// ```text
/// 2000-10-10: m = 7, (153 · 7 + 2) / 5 + 10 − 1 = 223 days behind the 1st of March
/// year 2000 is 5 · 400 + 0: 5 · 146097 + 223 − 719468 = 11240 days behind 1970-01-01
/// ```
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap),
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let year = if month > 2 { year } else { year - 1 };
    let month = (month + 9) % 12;
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year * 365 + year / 4 - year / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Seconds of `55:36`.
///
/// All bytes are judged at once, in one register. XOR with `00:00` makes digits their values and the colon zero. Then
/// 127 less the most that a byte may be is added, which sets its highest bit exactly where it is more:
///
/// ```text
/// 55:36 -> 05 05 00 03 06, + 7a 76 7f 7a 76 = 7f 7b 7f 7d 7c: right
/// 5x:36 -> 05 48 00 03 06, + 7a 76 7f 7a 76 = 7f be 7f 7d 7c: wrong
/// ```
///
/// A byte from 128 on has the bit before, and whatever it carries into the next changes nothing any more.
#[inline]
fn minutes(clock: [u8; 5]) -> Option<i64> {
    const ROOM: u64 = u64::from_le_bytes([127 - 5, 127 - 9, 127, 127 - 5, 127 - 9, 0, 0, 0]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let [m1, m0, colon, s1, s0] = clock;
    let values = u64::from_le_bytes([m1, m0, colon, s1, s0, 0, 0, 0]) ^ u64::from_le_bytes(*b"00:00\0\0\0");
    if (values | values.wrapping_add(ROOM)) & HIGH != 0 {
        // A leap second is numbered 60.
        return if [s1, s0] == *b"60" { minutes([m1, m0, colon, b'5', b'9']) } else { None };
    }
    let [m1, m0, _, s1, s0, ..] = values.to_le_bytes().map(i64::from);
    Some((m1 * 10 + m0) * MINUTE + s1 * 10 + s0)
}

/// Seconds of the hours of a day.
fn hours(text: [u8; 2]) -> Option<i64> {
    two(text).filter(|&hour| hour < 24).map(|hour| hour * HOUR)
}

/// How far a clock is ahead of UTC, in seconds.
fn offset(sign: u8, hour: [u8; 2], minute: [u8; 2]) -> Option<i64> {
    let size = hours(hour)? + two(minute).filter(|&minute| minute < 60)? * MINUTE;
    match sign {
        b'+' => Some(size),
        b'-' => Some(-size),
        _ => None,
    }
}

fn year(text: [u8; 4]) -> Option<i64> {
    let [y3, y2, y1, y0] = text;
    Some(two([y3, y2])? * 100 + two([y1, y0])?)
}

#[inline]
fn two(text: [u8; 2]) -> Option<i64> {
    let [tens, ones] = text.map(|byte| byte.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
