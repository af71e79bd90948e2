//! Which classes there are, and what is said of labels.

use super::*;

fn texts(labels: &[(&str, usize)]) -> Vec<Example> {
    let of = |(label, count): &(&str, usize)| {
        (0..*count).map(|index| Example::pair(format!("text {index}"), label.to_string())).collect::<Vec<_>>()
    };
    labels.iter().flat_map(of).collect()
}

fn found(labels: &[&str]) -> BTreeMap<String, usize> {
    labels.iter().map(|label| (label.to_string(), 3)).collect()
}

fn strings(labels: &[&str]) -> Vec<String> {
    labels.iter().map(|label| label.to_string()).collect()
}

#[test]
fn classes_are_sorted_or_in_the_order_of_the_plan() {
    assert_eq!(classes(&[], found(&["b", "a", "10"])).unwrap(), strings(&["10", "a", "b"]));
    assert_eq!(classes(&[], found(&["10", "9", "-1"])).unwrap(), strings(&["-1", "9", "10"]));
    let planned = strings(&["b", "a", "never"]);
    assert_eq!(classes(&planned, found(&["a", "b"])).unwrap(), planned);
    let error = classes(&planned, found(&["a", "c"])).unwrap_err().to_string();
    assert!(error.contains("\"c\" (3 times)") && error.contains("\"never\""), "{error}");
    let error = classes(&[], found(&["a"])).unwrap_err().to_string();
    assert!(error.contains("every text is labelled \"a\""), "{error}");
}

#[test]
fn labels_too_few_uneven_or_missing_are_named() {
    let said = |labels: &[(&str, usize)], held_out: &[(&str, usize)]| {
        about_classes(&strings(&["a", "b", "c"]), &texts(labels), &texts(held_out)).join("\n")
    };
    let even = [("a", 40), ("b", 40), ("c", 40)];
    assert_eq!(said(&even, &even), "always answering \"c\" is right for 33% of the held-out texts");
    let said_of_missing = said(&[("a", 40), ("b", 40)], &even);
    assert!(said_of_missing.starts_with("no text to learn from is labelled \"c\""), "{said_of_missing}");
    let uneven = said(&[("a", 90), ("b", 40), ("c", 7)], &[("a", 3)]);
    for part in
        ["labels too few: \"c\" (7 times)", "out of balance: \"a\" has 90", "\"c\" 7", "only 3 held-out", "33 points"]
    {
        assert!(uneven.contains(part), "{part}: {uneven}");
    }
    assert!(!uneven.contains("no text to learn"));
    assert!(said(&[("a", 20), ("b", 20), ("c", 20)], &[]).contains("only 60 texts to learn from"));
}

#[test]
fn numbers_say_what_a_guess_is_worth() {
    let numbers = |scale: f64| -> Vec<Example> {
        (0..100).map(|index| Example::pair("a", format!("{}", scale * f64::from(index % 2)))).collect()
    };
    let said = about_numbers(&numbers(2.0)).unwrap();
    assert_eq!(said, ["labels have mean 1.000 and deviation 1.000: always guessing the mean has a loss of 1.0000"]);
    assert!(about_numbers(&numbers(100.0)).unwrap()[1].contains("about -1 to 1"));
    assert!(about_numbers(&numbers(0.0)).unwrap_err().to_string().contains("every text is labelled 0"));
}

#[test]
fn texts_are_encoded_with_the_place_of_their_label() {
    let tokenizer = Tokenizer::train(["fine bread and stale bread"], 300).unwrap();
    let score = Score::of_decoder(Answers::Classes(strings(&["stale", "fine"])));
    let examples = [Example::pair("fine bread", "fine"), Example::pair("stale bread ".repeat(20), "stale")];
    let (encoded, cut) = encoded(&examples, &score, &tokenizer, 12).unwrap();
    let labels: Vec<_> = encoded.iter().map(|example| example.label.unwrap().target).collect();
    assert_eq!((labels, cut, encoded[1].tokens.len()), (vec![Target::Class(1), Target::Class(0)], 1, 12));
    assert_eq!(encoded[0].tokens, tokenizer.encode("fine bread").unwrap());
    let whole = tokenizer.encode(&examples[1].prompt()).unwrap();
    assert!(whole.ends_with(&encoded[1].tokens));
    // An encoder's texts begin with the mark that its rows begin with, and keep their beginning.
    let score = Score::of_encoder(score.answers.clone());
    let (of_encoder, _) = super::encoded(&examples, &score, &tokenizer, 12).unwrap();
    let mark = tokenizer.begin_of_text().unwrap();
    assert_eq!(of_encoder[0].tokens, [vec![mark], tokenizer.encode("fine bread").unwrap()].concat());
    assert_eq!(of_encoder[1].tokens, [&[mark][..], &whole[..11]].concat());
    assert!(super::encoded(&[Example::pair("", "fine")], &score, &tokenizer, 12).is_err());
    let error = super::encoded(&[Example::pair("a", "odd")], &score, &tokenizer, 12).unwrap_err().to_string();
    assert!(error.contains("\"odd\"") && error.contains("\"stale\", \"fine\""), "{error}");
}
