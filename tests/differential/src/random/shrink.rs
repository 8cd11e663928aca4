//! Leaving out what does not matter.

/// The lines of which none can be left out without losing what `fails` sees. Larger pieces are tried first.
pub fn shrink(lines: &[String], mut fails: impl FnMut(&[String]) -> bool) -> Vec<String> {
    let mut left = lines.to_vec();
    let mut piece = left.len().div_ceil(2);
    while piece > 0 {
        let mut start = 0;
        let mut removed = false;
        while start < left.len() {
            let end = (start + piece).min(left.len());
            let without = [&left[..start], &left[end..]].concat();
            if !without.is_empty() && fails(&without) {
                left = without;
                removed = true;
            } else {
                start = end;
            }
        }
        // Single lines are tried again until none goes any more.
        piece = match piece {
            1 if removed => 1,
            _ => piece / 2,
        };
    }
    left
}
