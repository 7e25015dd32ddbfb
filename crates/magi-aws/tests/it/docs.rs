//! The page about Bedrock says what is so: its table is read by the tests, and names tests that are.

/// The page, whose table is also what the councils are held to.
pub(crate) const ENGLISH: &str = include_str!("../../../../docs/bedrock.md");

const JAPANESE: &str = include_str!("../../../../docs/bedrock.ja.md");

/// Where the tests are that the table may name.
const TESTS: [&str; 2] = [include_str!("providers.rs"), include_str!("councils.rs")];

/// One row of the table of failures.
#[derive(Debug)]
pub(crate) struct Row {
    /// What Bedrock, or the network, does.
    pub(crate) what: String,
    /// The exception it is, by name.
    pub(crate) exception: Option<String>,
    /// The status it comes with.
    pub(crate) status: Option<u16>,
    /// The event and its code or kind.
    pub(crate) event: Vec<String>,
    /// What happens next.
    pub(crate) then: String,
    /// The fake's word for it.
    pub(crate) word: String,
    /// The tests of it.
    pub(crate) tests: Vec<String>,
}

impl Row {
    /// Tells whether it is about the judge alone.
    pub(crate) fn is_of_the_judge(&self) -> bool {
        self.event[0].starts_with("judge_")
    }
}

/// Reads the rows of the tables whose last column names tests.
pub(crate) fn rows(page: &str) -> Vec<Row> {
    let lines = page.lines().filter(|line| line.starts_with("| "));
    let cells = lines.map(|line| line.trim_matches('|').split(" | ").collect::<Vec<_>>());
    cells
        .filter(|cells| cells.len() == 5 && cells[3].contains('`'))
        .map(|cells| Row {
            what: cells[0].trim().to_owned(),
            exception: code(cells[0])
                .into_iter()
                .find(|word| word.ends_with("Exception")),
            status: status(cells[0]),
            event: code(cells[1]),
            then: cells[2].trim().to_owned(),
            word: code(cells[3]).remove(0),
            tests: code(cells[4]),
        })
        .collect()
}

/// The number of three digits that stands in a cell.
fn status(cell: &str) -> Option<u16> {
    let numbers = cell.split(|char: char| !char.is_ascii_digit());
    let mut statuses = numbers.filter(|number| number.len() == 3);
    statuses.next().map(|number| number.parse().unwrap())
}

/// The words of a cell that stand in backticks.
fn code(cell: &str) -> Vec<String> {
    let words = cell.split('`').skip(1).step_by(2);
    words.map(str::to_owned).collect()
}

#[test]
fn every_test_that_the_table_names_is_there() {
    for page in [ENGLISH, JAPANESE] {
        for row in rows(page) {
            assert!(!row.tests.is_empty(), "{}: no test", row.what);
            for test in row.tests {
                let is_there = TESTS
                    .iter()
                    .any(|file| file.contains(&format!("async fn {test}()")));
                assert!(is_there, "{}: there is no test `{test}`", row.what);
            }
        }
    }
}

/// A timeout is an event of the council: a test that asks a model alone cannot see it.
#[test]
fn what_is_late_names_a_test_that_sees_the_event_of_it() {
    for row in rows(ENGLISH) {
        if row.event[0].ends_with("_timeout") {
            let councils = include_str!("councils.rs");
            let is_seen = |test: &String| councils.contains(&format!("async fn {test}()"));
            assert!(
                row.tests.iter().any(is_seen),
                "{}: {:?}",
                row.what,
                row.tests
            );
        }
    }
}

#[test]
fn both_languages_have_the_same_table() {
    let machine = |page| -> Vec<_> {
        let rows = rows(page).into_iter();
        rows.map(|row| (row.exception, row.status, row.event, row.word, row.tests))
            .collect()
    };
    assert_eq!(machine(ENGLISH), machine(JAPANESE));
}
