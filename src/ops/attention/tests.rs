use super::super::check::{assert_close, check_gradients, random, single, values};
use super::*;

const GROUPED: Heads = Heads { query: 4, key_value: 2, dimension: 3 };

/// Lists for documents of `length` positions in rows of `columns`, of which the last one is padding: its queries see
/// nothing, and nobody sees it where `visible` is both.
fn documents(rows: usize, columns: usize, length: usize) -> (Vec<u32>, Vec<u32>) {
    let bounds = |i: usize| {
        let start = i % columns / length * length;
        let is_padding = i % columns + length >= columns && columns > length;
        (start, if is_padding { start } else { (start + length).min(columns) })
    };
    (0..rows * columns).map(bounds).map(|(start, end)| (start as u32, end as u32)).unzip()
}

/// Every combination of direction, documents and window.
fn sights<'a>(starts: &'a [u32], ends: &'a [u32], windows: &[usize]) -> Vec<Sight<'a>> {
    let windows: Vec<Option<usize>> = windows.iter().copied().map(Some).chain([None]).collect();
    let lists = [(None, None), (Some(starts), None), (None, Some(ends)), (Some(starts), Some(ends))];
    let of_window = |window: Option<usize>| {
        [Visible::Causal, Visible::Both]
            .into_iter()
            .flat_map(move |visible| lists.map(|(starts, ends)| Sight { visible, starts, ends, window }))
    };
    windows.into_iter().flat_map(of_window).collect()
}

#[test]
fn gradients_agree_with_finite_differences_and_autograd() {
    let (starts, ends) = documents(2, 6, 2);
    for sight in sights(&starts, &ends, &[1, 3]) {
        let layout = Layout { sight, ..Layout::causal(2, 6) };
        check_gradients(
            &[random((12, GROUPED.packed_width()), 1)],
            |t| Ok(forward(&t[0], GROUPED, layout)?.output),
            |t, g| Ok(vec![backward(&t[0], &forward(&t[0], GROUPED, layout)?, g, GROUPED, layout)?]),
        );
    }
}

fn check_kernel(heads: Heads, layout: Layout) {
    let positions = layout.rows * layout.columns;
    let packed = (random((positions, heads.packed_width()), 1) * 2.0).unwrap();
    let g = random((positions, heads.query_width()), 2);
    let want = forward(&packed, heads, layout).unwrap();
    let got = forward(&single(&packed), heads, layout).unwrap();
    assert_close(&got.output, &want.output, 1e-5);
    assert_close(&got.log_sums, &want.log_sums, 1e-5);
    let want = backward(&packed, &want, &g, heads, layout).unwrap();
    assert_close(&backward(&single(&packed), &got, &single(&g), heads, layout).unwrap(), &want, 1e-5);
}

#[test]
fn the_kernel_agrees_with_the_plain_expression() {
    let cases = [(1, 1, 1, 1, 1), (2, 3, 2, 2, 16), (1, 130, 4, 1, 5), (3, 64, 6, 3, 8), (1, 65, 2, 1, 64)];
    for (rows, columns, query, key_value, dimension) in cases {
        let (starts, ends) = documents(rows, columns, 7);
        for sight in sights(&starts, &ends, &[1, 20]) {
            check_kernel(Heads { query, key_value, dimension }, Layout { sight, ..Layout::causal(rows, columns) });
        }
    }
}

/// More keys than one piece holds, so that the softmax is corrected on the way.
#[test]
fn long_rows_agree_with_the_plain_expression() {
    let heads = Heads { query: 2, key_value: 1, dimension: 4 };
    let (rows, columns) = (1, 600);
    let (starts, ends) = documents(rows, columns, 290);
    for sight in sights(&starts, &ends, &[300]) {
        check_kernel(heads, Layout { sight, ..Layout::causal(rows, columns) });
    }
}

#[test]
fn the_softmax_is_corrected_when_higher_scores_come_late() {
    let heads = Heads { query: 1, key_value: 1, dimension: 1 };
    let columns = 700;
    let rising: Vec<f64> = (0..columns).flat_map(|i| [3.0, i as f64 / 20.0, (i % 5) as f64]).collect();
    let packed = Tensor::from_vec(rising, (columns, 3), &candle_core::Device::Cpu).unwrap();
    let layout = Layout { sight: Sight { visible: Visible::Both, ..Sight::default() }, ..Layout::causal(1, columns) };
    let want = forward(&packed, heads, layout).unwrap();
    let got = forward(&single(&packed), heads, layout).unwrap();
    assert_close(&got.output, &want.output, 1e-5);
    assert_close(&got.log_sums, &want.log_sums, 1e-6);
}

#[test]
fn a_query_that_sees_nothing_gets_and_gives_nothing() {
    let (rows, columns) = (2, 70);
    // The second row is all padding; in the first, everything from position 66 on.
    let ends: Vec<u32> = (0..rows * columns).map(|i| if i < 66 { 66 } else { 0 }).collect();
    for visible in [Visible::Causal, Visible::Both] {
        let layout =
            Layout { sight: Sight { visible, ends: Some(&ends), ..Sight::default() }, ..Layout::causal(rows, columns) };
        let packed = single(&random((rows * columns, GROUPED.packed_width()), 1));
        let g = single(&random((rows * columns, GROUPED.query_width()), 2));
        let attended = forward(&packed, GROUPED, layout).unwrap();
        let d_packed = backward(&packed, &attended, &g, GROUPED, layout).unwrap();
        for (tensor, width) in [(&attended.output, GROUPED.query_width()), (&d_packed, GROUPED.packed_width())] {
            let values = values(tensor);
            assert!(values[..66 * width].chunks(width).all(|row| row.iter().any(|x| *x != 0.0)));
            assert!(values[66 * width..].iter().all(|x| *x == 0.0));
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let layout = Layout { sight: Sight { window: Some(90), ..Sight::default() }, ..Layout::causal(2, 300) };
    let packed = single(&random((600, GROUPED.packed_width()), 1));
    let g = single(&random((600, GROUPED.query_width()), 2));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let attended = forward(&packed, GROUPED, layout).unwrap();
            let d_packed = backward(&packed, &attended, &g, GROUPED, layout).unwrap();
            [attended.output, attended.log_sums, d_packed].map(|tensor| values(&tensor))
        })
    };
    assert_eq!(run(1), run(5));
}

#[test]
fn lists_of_another_length_and_empty_windows_are_refused() {
    let packed = single(&random((4, GROUPED.packed_width()), 1));
    let wrong = [Sight { starts: Some(&[0; 3]), ..Sight::default() }, Sight { window: Some(0), ..Sight::default() }];
    for sight in wrong {
        assert!(forward(&packed, GROUPED, Layout { sight, ..Layout::causal(2, 2) }).is_err());
    }
}

/// Rows of different lengths beside each other, new tokens in pieces, rows that are left out: each is what it is as a
/// whole row.
#[test]
fn a_cache_gives_what_the_whole_row_gives() {
    let lengths = [70usize, 1, 9, 131];
    for window in [None, Some(5), Some(64)] {
        for dtype in [candle_core::DType::F32, candle_core::DType::F64] {
            let rows: Vec<Tensor> = (0..4)
                .map(|row| random((lengths[row], GROUPED.packed_width()), row as u64).to_dtype(dtype).unwrap())
                .collect();
            let cache = || {
                let shape = (4, 140, GROUPED.key_width());
                Tensor::ones(shape, dtype, &candle_core::Device::Cpu).unwrap()
            };
            let (keys, values) = (cache(), cache());
            let mut outputs: Vec<Vec<Tensor>> = vec![Vec::new(); 4];
            let mut filled = [0; 4];
            for counts in [[67, 1, 0, 100], [1, 0, 8, 30], [2, 0, 1, 1]] {
                let spans: Vec<Span> = (0..4)
                    .map(|row| Span { row, start: filled[row], count: counts[row] })
                    .filter(|span| span.count > 0)
                    .collect();
                let new: Vec<Tensor> = spans.iter().map(|s| rows[s.row].narrow(0, s.start, s.count).unwrap()).collect();
                let new = Tensor::cat(&new, 0).unwrap();
                let got = with_cache(&new, (&keys, &values), &spans, GROUPED, window).unwrap();
                let mut first = 0;
                for span in spans {
                    outputs[span.row].push(got.narrow(0, first, span.count).unwrap());
                    filled[span.row] += span.count;
                    first += span.count;
                }
            }
            assert_eq!(filled, lengths);
            for (row, outputs) in rows.iter().zip(outputs) {
                let columns = row.dim(0).unwrap();
                let layout = Layout { sight: Sight { window, ..Sight::default() }, ..Layout::causal(1, columns) };
                let whole = forward(row, GROUPED, layout).unwrap().output;
                assert_close(&Tensor::cat(&outputs, 0).unwrap(), &whole, 1e-6);
            }
        }
    }
}

#[test]
fn a_row_s_output_does_not_depend_on_the_others() {
    let packed = single(&random((3, GROUPED.packed_width()), 1));
    let cache = || single(&random((3, 40, GROUPED.key_width()), 2));
    let spans = [0, 1, 2].map(|row| Span { row, start: 10 * (row + 1), count: 1 });
    let together = with_cache(&packed, (&cache(), &cache()), &spans, GROUPED, None).unwrap();
    for span in spans {
        let own = packed.narrow(0, span.row, 1).unwrap();
        let alone = with_cache(&own, (&cache(), &cache()), &[span], GROUPED, None).unwrap();
        assert_eq!(values(&alone), values(&together.narrow(0, span.row, 1).unwrap()));
    }
}

#[test]
fn spans_that_do_not_fit_are_refused() {
    let packed = single(&random((2, GROUPED.packed_width()), 1));
    let cache = single(&random((2, 4, GROUPED.key_width()), 2));
    let span = |row, start, count| Span { row, start, count };
    for spans in [vec![span(0, 3, 2)], vec![span(2, 0, 2)], vec![span(0, 0, 1)], vec![span(1, 0, 1), span(0, 0, 1)]] {
        assert!(with_cache(&packed, (&cache, &cache), &spans, GROUPED, None).is_err(), "{spans:?}");
    }
}

/// One query in the last block too: the backward pass computes again what the forward pass computed.
#[test]
fn rounded_operands_stay_near_the_plain_expression() {
    if !Precision::Bf16.is_supported() {
        return;
    }
    for columns in [7, 65, 129, 300] {
        let layout = Layout { precision: Precision::Bf16, ..Layout::causal(2, columns) };
        let heads = Heads { query: 4, key_value: 2, dimension: 16 };
        let packed = random((2 * columns, heads.packed_width()), 1);
        let g = random((2 * columns, heads.query_width()), 2);
        let want = forward(&packed, heads, layout).unwrap();
        let got = forward(&single(&packed), heads, layout).unwrap();
        assert_close(&got.output, &want.output, 1e-2);
        let want = backward(&packed, &want, &g, heads, layout).unwrap();
        assert_close(&backward(&single(&packed), &got, &single(&g), heads, layout).unwrap(), &want, 1e-2);
    }
}
