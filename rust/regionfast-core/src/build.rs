//! From a database to the content of a table: numbers the labels and lays the special ranges on top.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::database::Database;
use crate::error::{Error, Result};
use crate::file;
use crate::level::Level;
use crate::overrides::Overrides;
use crate::range::{Bits, Range, Segments};
use crate::slot::{Evidence, FIRST_REGION, Label, MAX_LABELS, OVERRIDDEN_RELAY, Place, Slot, Status, UNDECIDED};
use crate::special::{self, SpecialRange};
use crate::unwrap::Unwrapping;

/// All that decides a table's answers and claims: what a compiled file holds and its digest covers.
#[derive(Debug)]
pub struct Content {
    /// What each slot stands for; see [`crate::slot`].
    pub labels: Vec<Label>,
    /// The IPv4 space by database and special ranges, without overrides.
    pub v4: Arc<Segments<u32>>,
    /// The IPv6 space likewise; the zones of wrapped IPv4 hold a slot that says so.
    pub v6: Arc<Segments<u128>>,
    /// The overrides, ascending and disjoint.
    pub overrides_v4: Vec<(Range<u32>, Slot)>,
    /// See `overrides_v4`.
    pub overrides_v6: Vec<(Range<u128>, Slot)>,
    /// How IPv4 inside IPv6 is treated.
    pub unwrapping: Unwrapping,
    /// How finely places are told apart.
    pub level: Level,
    /// What is said of the table.
    pub claims: Claims,
    /// SHA-256 of the compiled form.
    pub digest: [u8; 32],
}

/// What a table says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The database's own name of its type.
    pub kind: String,
    /// Free text of its maker.
    pub description: String,
    /// Credit that its licence asks for.
    pub attribution: String,
    /// Seconds since 1970-01-01 UTC; `None` where the database does not say.
    pub built_at: Option<u64>,
    /// Date of the special-purpose registries that were laid on top.
    pub registry_date: String,
    /// Whether the database has IPv6.
    pub has_v6: bool,
    /// What a user of the answers should know.
    pub warnings: Vec<String>,
}

impl Content {
    /// Numbers the regions and lays the special ranges and the zones of wrapped IPv4 on top.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where regions and kinds of evidence need more slots than there are.
    pub fn compile(database: Database, level: Level, unwrapping: Unwrapping, attribution: &str) -> Result<Self> {
        let has_v6 = database.v6.is_some();
        let unknown = Status::Unknown.slot();
        let labels = numbered(database.labels.list().iter().cloned())?;
        let slots: Vec<Slot> = database.labels.list().iter().map(|label| slot_of(&labels, label)).collect();
        let renumber = |label: Slot| slots.get(usize::from(label)).copied().unwrap_or(unknown);

        let v4 = database.v4.map_slots(renumber).overlay(&layer(special::V4))?;
        let v6 = database.v6.map_or_else(|| Segments::uniform(unknown), |v6| v6.map_slots(renumber));
        let v6 = v6.overlay(&layer(&unwrapping.special_v6()))?.overlay(&zones(&unwrapping))?;
        let about = database.about;
        Ok(Self {
            labels,
            v4: Arc::new(v4),
            v6: Arc::new(v6),
            overrides_v4: Vec::new(),
            overrides_v6: Vec::new(),
            unwrapping,
            level,
            claims: Claims {
                kind: about.kind,
                description: about.description,
                attribution: attribution.to_owned(),
                built_at: about.built_at,
                registry_date: special::REGISTRY_DATE.to_owned(),
                has_v6,
                warnings: about.warnings,
            },
            digest: [0; 32],
        }
        .sealed())
    }

    /// The same content with these overrides in the place of those that it had.
    ///
    /// # Errors
    /// Where an override lies inside a zone of wrapped IPv4, and as for [`Content::compile`].
    pub fn with_overrides(mut self, overrides: &Overrides) -> Result<Self> {
        let zones: Vec<Range<u128>> = zones(&self.unwrapping).into_iter().map(|(range, _)| range).collect();
        overrides.check_zones(&zones)?;
        let label = |place: &Place| Label::new(self.level.of(place.clone()), Evidence::Override);
        let places = overrides.v4.iter().map(|(_, place)| place).chain(overrides.v6.iter().map(|(_, place)| place));
        let kept = self.labels.iter().filter(|label| label.evidence != Evidence::Override).cloned();
        // Labels by override sort last, so the slots of the others stay as they are.
        let labels = numbered(kept.chain(places.map(label)))?;
        let slot = |place: &Place| slot_of(&labels, &label(place));
        let overrides_v4 = overrides.v4.iter().map(|(range, place)| (*range, slot(place))).collect();
        let overrides_v6 = overrides.v6.iter().map(|(range, place)| (*range, slot(place))).collect();
        self.overrides_v4 = overrides_v4;
        self.overrides_v6 = overrides_v6;
        self.labels = labels;
        Ok(self.sealed())
    }

    /// The same content with IPv4 inside IPv6 treated in another way.
    ///
    /// What the database says of a zone that is no longer one is not in a content, so it is unknown there, or
    /// what the special ranges say.
    ///
    /// # Errors
    /// [`Error::Option`] where an override lies inside a zone that was none before.
    pub fn with_unwrapping(mut self, unwrapping: Unwrapping) -> Result<Self> {
        let zones = zones(&unwrapping);
        let buried = |range: &Range<u128>| zones.iter().any(|(zone, _)| zone.covers(range));
        if self.overrides_v6.iter().any(|(range, _)| buried(range)) {
            return Err(Error::Option(
                "`nat64` names a prefix that holds a whole override of the compiled table: it would never match".into(),
            ));
        }
        let plain = self.v6.map_slots(|slot| if slot == UNDECIDED { Status::Unknown.slot() } else { slot });
        self.v6 = Arc::new(plain.overlay(&layer(&unwrapping.special_v6()))?.overlay(&zones)?);
        self.unwrapping = unwrapping;
        Ok(self.sealed())
    }

    /// The same content without overrides; `None` where it has none.
    #[must_use]
    pub(crate) fn without_overrides(&self) -> Option<Self> {
        if self.overrides_v4.is_empty() && self.overrides_v6.is_empty() {
            return None;
        }
        let regions = self.labels.iter().skip(usize::from(FIRST_REGION));
        let kept = regions.filter(|label| label.evidence != Evidence::Override).cloned();
        let base = Self {
            // Labels by override sort last, so what is left keeps its slots.
            labels: fixed_labels().into_iter().chain(kept).collect(),
            v4: Arc::clone(&self.v4),
            v6: Arc::clone(&self.v6),
            overrides_v4: Vec::new(),
            overrides_v6: Vec::new(),
            unwrapping: self.unwrapping.clone(),
            level: self.level,
            claims: self.claims.clone(),
            digest: [0; 32],
        };
        Some(base.sealed())
    }

    /// The zones of wrapped IPv4, with the slot that says so.
    #[must_use]
    pub(crate) fn zones(&self) -> Vec<(Range<u128>, Slot)> {
        zones(&self.unwrapping)
    }

    /// The code of each slot that is a region; a region with two kinds of evidence comes twice.
    pub fn regions(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().filter_map(|label| match &label.place {
            Place::Region(code) => Some(&**code),
            Place::Status(_) => None,
        })
    }

    /// Bytes of labels and overrides; the segments are counted by the tables that share them.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.labels) + size_of_val(&*self.overrides_v4) + size_of_val(&*self.overrides_v6)
    }

    fn sealed(mut self) -> Self {
        self.digest = file::digest(&self);
        self
    }
}

/// The labels of the eight fixed slots.
#[must_use]
pub(crate) fn fixed_labels() -> [Label; FIRST_REGION as usize] {
    let status = |status, evidence| Label { place: Place::Status(status), evidence };
    [
        status(Status::Unknown, Evidence::None),
        status(Status::Private, Evidence::None),
        status(Status::Reserved, Evidence::None),
        status(Status::Invalid, Evidence::None),
        status(Status::Missing, Evidence::None),
        status(Status::Relay, Evidence::Database),
        status(Status::Located, Evidence::None),
        status(Status::Relay, Evidence::Override),
    ]
}

/// The order of slots: evidence first, so that overrides never renumber what the database placed, then code.
pub(crate) fn order(label: &Label) -> (bool, Evidence, &str) {
    let code = match &label.place {
        Place::Region(code) => code,
        Place::Status(_) => "",
    };
    (label.evidence == Evidence::Override, label.evidence, code)
}

/// Fixed slots, then each distinct region label in the order of slots.
fn numbered(labels: impl Iterator<Item = Label>) -> Result<Vec<Label>> {
    let regions: BTreeSet<Label> = labels.filter(|label| matches!(label.place, Place::Region(_))).collect();
    let mut regions: Vec<Label> = regions.into_iter().collect();
    regions.sort_by(|a, b| order(a).cmp(&order(b)));
    if regions.len() > MAX_LABELS {
        return Err(Error::TooLarge(format!("more than {MAX_LABELS} distinct regions by database and overrides")));
    }
    Ok(fixed_labels().into_iter().chain(regions).collect())
}

fn slot_of(labels: &[Label], label: &Label) -> Slot {
    match (&label.place, label.evidence) {
        (Place::Status(Status::Relay), Evidence::Override) => OVERRIDDEN_RELAY,
        (Place::Status(status), _) => status.slot(),
        (Place::Region(_), _) => {
            let regions = labels.get(usize::from(FIRST_REGION)..).unwrap_or_default();
            let found = regions.binary_search_by(|other| order(other).cmp(&order(label)));
            found.map_or(Status::Unknown.slot(), |at| FIRST_REGION + at as Slot)
        }
    }
}

fn layer<T: Bits>(ranges: &[SpecialRange<T>]) -> Vec<(Range<T>, Slot)> {
    ranges.iter().map(|special| (Range { first: special.first, last: special.last }, special.status.slot())).collect()
}

fn zones(unwrapping: &Unwrapping) -> Vec<(Range<u128>, Slot)> {
    unwrapping.zones().map(|(first, last, _)| (Range { first, last }, UNDECIDED)).collect()
}

#[cfg(test)]
mod tests;
