//! Kernels: implementations of one batch lookup, the same answer from each.
//!
//! `scalar` is always there and defines what is correct. [`Kernel::detect`] is the only place that
//! chooses. Rejected for now: an AVX2 twin, which has no compressing 16-lane gathers and was not measured
//! faster than the portable kernel here.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod batch;
mod direct;
mod scalar;
mod tree;

pub use batch::{Answers, Resolved};
pub use direct::Direct;
pub use tree::Tree;

use crate::error::{Error, Result};
use crate::slot::Slot;

/// Which implementation answers batches; one that this machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Isa);

// INVARIANT: `Avx512` is put into a `Kernel` by `Kernel::available` only, where `avx512::is_available`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Isa {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    /// The environment variable that names the kernel of tables opened from then on.
    pub const VARIABLE: &'static str = "REGIONFAST_KERNEL";

    /// The kernels that this machine runs, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut kernels = vec![Self(Isa::Scalar)];
        #[cfg(target_arch = "x86_64")]
        if avx512::is_available() {
            kernels.push(Self(Isa::Avx512));
        }
        kernels
    }

    /// The fastest kernel of this machine, or the one that [`Kernel::VARIABLE`] names.
    ///
    /// # Errors
    /// [`Error::Option`] where the variable names a kernel that this machine does not run: a test that
    /// asks for one must not silently measure another.
    pub fn detect() -> Result<Self> {
        let available = Self::available();
        let wanted = std::env::var(Self::VARIABLE).unwrap_or_default();
        if wanted.is_empty() {
            return Ok(available.last().copied().unwrap_or(Self(Isa::Scalar)));
        }
        available.iter().copied().find(|kernel| kernel.name() == wanted).ok_or_else(|| {
            let names: Vec<&str> = available.iter().map(|kernel| kernel.name()).collect();
            Error::Option(format!("{} is `{wanted}`, and this machine runs: {}", Self::VARIABLE, names.join(", ")))
        })
    }

    /// `scalar` or `avx512`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Isa::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
        }
    }

    /// Slots of IPv4 addresses in host byte order, same order.
    pub fn v4(self, index: &Direct, addresses: &[u32], slots: &mut [Slot]) {
        assert_eq!(addresses.len(), slots.len(), "one slot an address");
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls a kernel that needs CPU features")]
            // SAFETY: `available` put this variant out only where `is_available`; equal lengths above.
            Isa::Avx512 => unsafe { avx512::v4(index, addresses, slots) },
            Isa::Scalar => scalar::v4(index, addresses, slots),
        }
    }

    /// Slots by the high 64 bits of IPv6 addresses, same order; [`crate::slot::UNDECIDED`] among them.
    pub(crate) fn v6(self, index: &Tree, highs: &[u64], slots: &mut [Slot]) {
        assert_eq!(highs.len(), slots.len(), "one slot an address");
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls a kernel that needs CPU features")]
            // SAFETY: `available` put this variant out only where `is_available`.
            Isa::Avx512 => unsafe { avx512::v6(index, highs, slots) },
            Isa::Scalar => scalar::v6(index, highs, slots),
        }
    }
}

pub(crate) use scalar::{v4_one, v6_one};

/// The CPU features that the kernels and the text parser look for, where this machine has them.
#[must_use]
pub fn cpu_features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let features = [
        ("sse4.1", is_x86_feature_detected!("sse4.1")),
        ("popcnt", is_x86_feature_detected!("popcnt")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512bw", is_x86_feature_detected!("avx512bw")),
        ("avx512vl", is_x86_feature_detected!("avx512vl")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let features = [];
    features.into_iter().filter_map(|(name, has): (&str, bool)| has.then_some(name)).collect()
}

#[cfg(test)]
pub(crate) mod tests;
