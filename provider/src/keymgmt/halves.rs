//! Whether two keys are the same.

use super::selection::Selection;

/// Whether two keys are the same by one half that both have: the public one, if it is selected.
pub(super) fn halves_match<P: PartialEq>(
    selection: Selection,
    public: (&Option<P>, &Option<P>),
    private: (Option<&Vec<u8>>, Option<&Vec<u8>>),
) -> bool {
    if selection.has_public()
        && let (Some(one), Some(other)) = public
    {
        return one == other;
    }
    match private {
        (Some(one), Some(other)) if selection.has_private() => is_same(one, other),
        _ => false,
    }
}

/// In a time that depends on the lengths alone.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |differences, (one, other)| differences | (one ^ other));
    one.len() == other.len() && std::hint::black_box(differences) == 0
}
