//! How finely places are told apart.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::slot::Place;

/// How finely a table tells places apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// ISO 3166-1 alpha-2: `US`.
    Country,
    /// ISO 3166-2 where the database has it, else the country: `US-CA`, `MC`.
    Subdivision,
}

impl Level {
    /// `country` or `subdivision`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::Subdivision => "subdivision",
        }
    }

    /// The place at this level: a country table has no subdivisions, whatever the database says.
    #[must_use]
    pub fn of(self, place: Place) -> Place {
        match (self, &place) {
            (Self::Country, Place::Region(code)) => match code.split_once('-') {
                Some((country, _)) => Place::Region(Arc::from(country)),
                None => place,
            },
            _ => place,
        }
    }
}

impl std::str::FromStr for Level {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "country" => Ok(Self::Country),
            "subdivision" => Ok(Self::Subdivision),
            _ => Err(Error::Option(format!("level `{text}` is neither `country` nor `subdivision`"))),
        }
    }
}
