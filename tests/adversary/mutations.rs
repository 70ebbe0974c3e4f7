// What is taken out of the verifier, one at a time: shared by the build script, which makes the mutants, and by the
// tests, which find for each an adversary that gets through.

/// A verifier with one check less.
pub struct Mutation {
    /// Its name, also that of its module.
    pub name: &'static str,
    /// In which file, what is replaced by what. Each text stands there once.
    pub changes: &'static [(&'static str, &'static str, &'static str)],
}

const fn mutation(name: &'static str, changes: &'static [(&'static str, &'static str, &'static str)]) -> Mutation {
    Mutation { name, changes }
}

/// Every check of the verifier that can be left out.
pub const MUTATIONS: &[Mutation] = &[
    mutation("any_tip", &[("light/proof.rs", "if id != request.tip {", "if false {")]),
    mutation("any_block_0", &[("light/proof.rs", "if got != spec.genesis_id() {", "if false {")]),
    mutation(
        "work_of_opened_headers",
        &[(
            "light/tiles.rs",
            "let sealed = check_work(self.spec, header.clone()).map_err(broken)?;",
            "let sealed = super::super::header::unchecked(header);",
        )],
    ),
    mutation(
        "work_of_the_tail",
        &[(
            "light/proof.rs",
            "let sealed = check_work(spec, header.clone()).map_err(broken)?;",
            "let sealed = super::super::header::unchecked(header);",
        )],
    ),
    mutation("history_root", &[("header.rs", "if header.history_root != expected {", "if false {")]),
    mutation(
        "parent_of_opened_headers",
        &[("light/tiles.rs", ".filter(|parent| header.parent != *parent)", ".filter(|_| false)")],
    ),
    mutation("parent_of_the_tail", &[("header.rs", "if header.parent != parent.id {", "if false {")]),
    mutation("order_of_opened_headers", &[("light/tiles.rs", "if height <= last || height >= count {", "if false {")]),
    mutation("number_of_nodes", &[("light/tiles.rs", "if nodes.len() != trees.len() {", "if false {")]),
    mutation(
        "targets_join",
        &[
            ("mmr.rs", "if right.first_target != self.next_target {", "if false {"),
            ("header.rs", "if header.target != expected {", "if false {"),
        ],
    ),
    mutation("times_join", &[("mmr.rs", "if right.last_time <= self.last_time {", "if false {")]),
    mutation("target_of_a_tree", &[("light/difficulty_bounds.rs", ".filter(|target| *target <= self.limit)", "")]),
    mutation(
        "next_target_of_one_block",
        &[("light/difficulty_bounds.rs", "if leaf.next_target != expected {", "if false {")],
    ),
    mutation(
        "work_of_one_block",
        &[("light/difficulty_bounds.rs", "if leaf.work == least { Ok(())", "if leaf.work >= Work::ZERO { Ok(())")],
    ),
    mutation("time_of_a_tree", &[("light/difficulty_bounds.rs", "if time < blocks {", "if false {")]),
    mutation(
        "work_falls_by_steps",
        &[(
            "light/difficulty_bounds.rs",
            "self.falling(first, blocks)?.max(self.rising(next, blocks)?)",
            "self.rising(next, blocks)?",
        )],
    ),
    mutation(
        "work_rises_by_steps",
        &[(
            "light/difficulty_bounds.rs",
            "self.falling(first, blocks)?.max(self.rising(next, blocks)?)",
            "self.falling(first, blocks)?",
        )],
    ),
    mutation(
        "difficulty_falls_with_time",
        &[("light/difficulty_bounds.rs", "if change > bounds.easier {", "if false {")],
    ),
    mutation(
        "difficulty_rises_with_blocks",
        &[("light/difficulty_bounds.rs", "if change < bounds.harder {", "if false {")],
    ),
    mutation("offset_in_the_block", &[("light/proof.rs", "if *offset >= end {", "if false {")]),
    mutation(
        "two_before_each_sample",
        &[(
            "light/proof.rs",
            "if let Some(missing) = needed.difference(&there).next() {",
            "if let Some(missing) = needed.iter().find(|_| false) {",
        )],
    ),
    mutation(
        "nothing_left_over",
        &[("light/proof.rs", "match there.difference(&needed).next() {", "match there.iter().find(|_| false) {")],
    ),
    mutation(
        "random_bytes_of_the_asker",
        &[(
            "light/mod.rs",
            "Tag::SAMPLE.hash(&[self.tip.as_bytes(), self.random.as_bytes()])",
            "Tag::SAMPLE.hash(&[self.tip.as_bytes()])",
        )],
    ),
    mutation("time_of_the_tip", &[("header.rs", "if header.time > limit {", "if false {")]),
    mutation(
        "signature",
        &[("light/receipt.rs", ".map_err(|(_, error)| TransactionProofError::Transaction(error))?;", ".ok();")],
    ),
    mutation(
        "place_in_the_block",
        &[("light/receipt.rs", "self.inclusion.verify(&self.transaction.id(), &self.header.txs_root)?;", "")],
    ),
    mutation(
        "place_of_the_block",
        &[(
            "light/receipt.rs",
            "let before = proven.map_err(|error| TransactionProofError::History { got: block, error })?;",
            "let before = proven.unwrap_or_default();",
        )],
    ),
    mutation("block_is_the_tip", &[("light/receipt.rs", "None if block != tip.id() =>", "None if false =>")]),
];
