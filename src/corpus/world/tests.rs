//! What every set must keep.

use super::tasks::rows;
use super::*;

#[test]
fn look() {
    let cache = std::path::Path::new("/tmp/world-look");
    for set in Set::ALL {
        let start = std::time::Instant::now();
        let rows = match rows(set) {
            Ok(r) => r,
            Err(e) => {
                eprintln!("{e}");
                continue;
            }
        };
        let bytes: usize = rows.train.iter().map(|r| serde_json::to_string(r).unwrap().len()).sum();
        eprintln!("{} {} {} {bytes} {:?}", set.name(), rows.train.len(), rows.test.len(), start.elapsed());
        if let Err(e) = expand(set, cache) {
            eprintln!("{e}");
        }
    }
}
