"""What each metric of the result files means, in a line: unit, direction, and what it is a share of."""

GUARD = {
    "special_tokens_in_prompts": "Prompts that hold a special token of the tokenizer; there must be none.",
    "chat_markers_in_prompts": "Prompts that hold the marker of a chat format as text; there must be none.",
    "heldout_exemplars": "Few-shot exemplars that belong to the held-out part of the tasks.",
    "heldout_sentinels": "Sentinels that belong to the held-out part of the tasks.",
    "negative_control_fired": "Prompts wrapped in a chat format that were found out, of all wrapped ones:"
    " it must be all of them, or the guard is blind.",
}
SENTINELS = {
    "sentinels": "Texts, questions, instructions and dialogues that the base continues under the guard.",
    "assistant_voice_rate": "Continuations that speak like an assistant. Near zero for a base model.",
    "chat_marker_rate": "Continuations that hold a chat marker. Near zero for a base model.",
    "eos_after_answer_rate": "Continuations that end right after an answer. High for a tuned model.",
    "self_continuation_rate": "Continuations that go on to write the next question or turn, as a base does.",
    "eos_probability": "Mean probability of the end of text right after the answer.",
    "chat_end_probability": "Mean probability of a chat format’s end of turn; 0 where no token is one.",
    "deviation_p": "Smallest adjusted p-value that a sign differs from its record: small says that these are"
    " not the weights they are taken for. 1 of n = 0 where nothing is on record.",
}
TEST_SET = {
    "duplicates": "Items whose instruction an earlier item of the same split has.",
    "overlap_between_splits": "Instructions that several of test, dev and calibration have.",
    "not_heldout": "Items outside the held-out part of the tasks.",
    "references_rejected": "Reference answers that their own check refuses.",
    "surface_forms_rejected": "Right answers in another form (other case, other bullets) that are refused.",
    "corruptions_accepted": "Wrong answers (one thing missing, wrong order) that are accepted.",
    "questions_accepted": "Instructions that are accepted as an answer to themselves.",
    "capacity_ratio": "Distinct held-out items per item asked, in the scarcest type; counted up to 4.",
    **{f"items_{split}": f"Items of the {split} split." for split in ("test", "dev", "calibration")},
}
HEADROOM = {
    "base_success": "Success of the untrained base on dev in the format of the evaluation.",
    "base_raw_success": "Success of the untrained base on dev with the bare instruction.",
    "format_effect": "What the format alone does for the untrained base on dev, points.",
    "highest_type_success": "Success of the base on its best type.",
    "lowest_type_success": "Success of the base on its worst type.",
}
CRITIC = {
    "threshold": "Margin from which an answer is accepted, log-odds of yes.",
    "auc": "Probability that a right answer gets a larger margin than a wrong one: 0.5 is chance.",
    "accuracy": "Judgements that are right when a margin above zero means right.",
    "brier": "Mean squared error of P(yes): 0 is perfect, 0.25 is always saying one half.",
    "calibration_error": "Expected calibration error: how far P(yes) lies from the share that is right,"
    " over the bins below. 0 is perfect.",
    "label_order_flip_rate": "Verdicts that change when the labels are given in the other order.",
    "length_correlation": "Rank correlation of margin and length among answers of one family that are all"
    " right or all wrong: 0 says that length sways nothing.",
    "length_correlation_good": "Rank correlation of margin and length among all right answers.",
    "length_correlation_bad": "Rank correlation of margin and length among all wrong answers.",
    "threshold_precision": "Accepted answers that are right, on the items the threshold was found on.",
    "held_out_precision": "Accepted answers that are right, with the threshold found on other items.",
    "recall": "Right answers that are accepted.",
    "reached": "1 when a threshold reaches the precision asked for, else 0.",
}
QUALITY = {
    "records": "Records generated.",
    "well_formed_rate": "Records whose instruction could be parsed; answers are asked for these alone.",
    "delimiter_leak_rate": "Answers that hold a delimiter of the prompts.",
    "refusal_rate": "Answers that refuse or speak like an assistant.",
    "runaway_rate": "Answers that repeat themselves or go on to another question.",
    "truncation_rate": "Answers that stop in the middle.",
    "token_limit_rate": "Answers that ended at the token limit.",
    "empty_response_rate": "Answers without text.",
    "median_answer_tokens": "Length of the middle answer, tokens.",
    "acceptance_rate": "Answers that the critic accepts, of those it judged.",
    "yield_rate": "Distinct accepted instructions, of all records generated.",
    "accepted": "Records that the critic accepts.",
    "distinct_instructions": "Instructions that differ after normalising.",
    "duplicate_instruction_rate": "Instructions that an earlier record has already.",
    "near_duplicate_instruction_rate": "Instructions that are nearly an earlier one, by character n-grams.",
    "distinct_skeleton_share": "Instructions left when those that differ in their slots alone count once.",
    "worst_detector_precision": "Of what a detector finds, the share that is so: the worst detector.",
    "worst_detector_recall": "Of what is to be found, the share that a detector finds: the worst detector.",
    "trained_records": "Records that are trained on.",
    "trained_delimiter_leaks": "Records trained on that hold a delimiter; there must be none.",
    "trained_refusal_rate": "Records trained on that refuse or speak like an assistant.",
}
HELD_OUT = ("test", "dev", "calibration", "exemplars", "sentinels")
OVERLAP = {
    "accepted_records": "Records that the critic accepted, before removal.",
    "examples": "Records that are trained on, after removal.",
    "removed_records": "Records removed for any reason below.",
    "removed_duplicates": "Removed because an earlier record has the same instruction.",
    "removed_near_duplicates": "Removed because an earlier record has nearly the same instruction.",
    "removed_skeleton_excess": "Removed because their skeleton had enough records already.",
    "duplicates": "Left: records with the instruction of an earlier one.",
    "near_duplicates": "Left: records with nearly the instruction of an earlier one.",
    "skeleton_excess": "Left: records beyond what one skeleton may have.",
    **{f"removed_{name}": f"Removed because of an overlap with {name}." for name in HELD_OUT},
    **{f"exact_{name}": f"Left: records with an instruction of {name}." for name in HELD_OUT},
    **{f"near_{name}": f"Left: records with nearly an instruction of {name}." for name in HELD_OUT},
    **{f"coverage_{name}": f"Left: records whose words {name} holds in long runs." for name in HELD_OUT},
    **{
        f"skeleton_{name}": f"Left: records that are an instruction of {name} but for its slots."
        for name in HELD_OUT
    },
}
LIFT = {
    "baseline_rate": "Success of the baseline on dev.",
    "candidate_rate": "Success of the candidate on dev.",
    "lift": "Candidate minus baseline on dev, points; each bound holds one-sidedly.",
    "mid_p": "McNemar’s mid-p of the lift.",
    "minimum_detectable_effect": "Smallest difference that dev would have shown at this discordance, points.",
}
ERROR_RATES = {
    f"{gate}_{name}": f"Largest probability, over the true lifts computed, that the {gate} gate {does}."
    for gate in ("sft", "dpo")
    for name, does in {
        "false_continue": "lets a run pass that it should not",
        "false_pause": "pauses a run that should pass",
        "false_stop": "stops a run that should not stop",
    }.items()
}
PAIRS = {
    "pairs": "Preference pairs; n is the number of instructions.",
    "instructions": "Instructions that were answered several times.",
    "candidates": "Answers to choose from.",
    "pair_rate": "Instructions that give a pair.",
    "usable_rate": "Candidates that are complete and clean.",
    "chosen_equals_rejected": "Pairs with the same text on both sides.",
    "duplicate_pairs": "Pairs that are there more than once.",
    "inverted_pairs": "Pairs whose chosen side does not have the larger margin.",
    "untraceable_pairs": "Pairs with a side that is no usable candidate of this instruction.",
    "chosen_with_markers": "Chosen texts that hold a delimiter or chat marker.",
    "rejected_with_markers": "Rejected texts that hold a delimiter or chat marker.",
    "median_margin": "Middle difference of the critic’s margins, log-odds.",
    "length_cohens_d": "Chosen minus rejected length in characters, over the pooled standard deviation:"
    " above 0, DPO is taught to be longer.",
    "length_cohens_d_paired": "Cohen’s d of the paired differences of length in characters.",
    "length_cohens_d_tokens": "Cohen’s d of length in tokens.",
    "length_cohens_d_tokens_paired": "Cohen’s d of the paired differences of length in tokens.",
    "length_accuracy": "Pairs that the better rule on length alone gets right: 50 % is chance.",
    "longer_chosen_rate": "Pairs whose chosen side is the longer one.",
    "median_chosen_characters": "Length of the middle chosen text, characters.",
    "median_rejected_characters": "Length of the middle rejected text, characters.",
    "words_accuracy": "Pairs that a bag of words, learnt on other instructions, gets right: 50 % says that"
    " words tell nothing, 100 % that the pairs teach style.",
    "words_difference_accuracy": "Pairs that a bag of words learnt from differences gets right.",
}
AUDIT = {
    "claim_lift": "Success of the candidate minus the baseline, points (Newcombe’s interval).",
    "claim_mid_p": "McNemar’s mid-p, two-sided: how surprising the difference is if there is none.",
    "claim_lift_clustered": "Candidate minus baseline, points, with templates as the units.",
    "primary_deviations": "Departures from the registration that touch the primary endpoint.",
    "length_auc_baseline": "Probability that a success of the baseline is longer than a failure: 0.5 when"
    " length tells nothing, near 0 when long answers fail.",
    "length_auc_candidate": "The same probability for the candidate.",
    "length_separation": "How well the best rule on length alone repeats the baseline’s scores (Youden’s J):"
    " 0 useless, 1 exact.",
    "lift_explained_by_length": "Share of the lift that the baseline would gain from answers as long as the"
    " candidate’s.",
    "length_artifact": "Near 1 only when a rule on length both repeats the baseline’s scores and accounts for"
    " the lift: the smaller of length separation and lift explained by length.",
    "length_matched_lift": "Lift among items that both arms answered at about the same length, points.",
    "prompts_differ": "Items for which the two arms were sent different prompts.",
    "format_effect": "What the completion format alone does for the untrained base, points.",
    "format_explained": "Share of the lift that the prompt’s format explains; 0 when both had the same.",
    "truncation_difference": "Cut-off answers, candidate minus baseline, points.",
    "truncation_share": "Share of the lift on items where either answer was cut off.",
    "untruncated_lift": "Lift among items that neither arm’s answer was cut off on, points.",
    "unparseable_difference": "Answers that hold nothing to score, candidate minus baseline, points.",
    "unparseable_share": "Share of the lift on items where either answer could not be read.",
    "parseable_lift": "Lift among items that both arms’ answers could be read on, points.",
    "largest_cluster_share": "Share of the lift that the template with most of it carries.",
    "leave_one_cluster_out_lift": "Lift without the template whose loss leaves least, points.",
    "leave_one_type_out_lift": "Lift without the type whose loss leaves least, points.",
    "aa_flip_rate": "Outcomes that flip when the same model is asked again: the worst arm and way.",
    "aa_response_changes": "Texts that change when the same model is asked again: the worst arm and way.",
    "aa_flips_over_lift": "Flips as a share of the lift: below a half they could not make it.",
    "identical_responses": "Items that both arms answered with the same text.",
    "same_response_scored_differently": "Items with the same text in both arms, scored differently.",
    "label_kappa": "Cohen’s kappa of scorer and people: 1 is full agreement, 0 is chance.",
    "label_lift": "The lift as people’s labels correct it, points.",
}
EDITS = {
    "never_edited_rate": "Generated records that nobody edited, of all of them.",
    "edited_records": "Records that people edited.",
    "dropped_records": "Records that people dropped.",
    "replaced_instructions": "Instructions that people wrote anew.",
    "replaced_responses": "Responses that people wrote anew.",
    "accepted_before": "Records that the critic accepted, before the edits.",
    "accepted_after": "Records accepted after the edits: an editor’s text stands for the critic’s verdict.",
    "edit_minutes": "Minutes that the edits took, as far as they say so.",
    "edits_without_minutes": "Edits that do not say how long they took.",
}
AUTOMATION = {
    "jobs_without_help_rate": "Jobs that ran without an override and that nobody had to start again.",
    "jobs_retried_by_hand": "Jobs that failed, or were killed, in one session and were made in a later one.",
    "jobs_retried_automatically": "Jobs that were tried again within one session.",
    "gates_overridden": "Gates that said stop or pause and were let pass.",
    "records_never_edited_rate": "Generated records that nobody edited.",
    "human_minutes": "Minutes of people: edits and labels, as far as these say how long they took.",
    "edit_minutes": "Minutes that edits of records took.",
    "label_minutes": "Minutes that labels of answers took.",
    "pieces_without_minutes": "Edits and labels that do not say how long they took.",
    "human_minutes_per_1000_records": "Minutes of people for each 1,000 generated records.",
    "first_attempt_pass_rate": "Gates on data that passed when they were first judged.",
    "sessions": "Sessions in which a job of the run was tried.",
}
# By how the names of the files begin.
FILES = {
    "base/guard": GUARD,
    "base/sentinels": SENTINELS,
    "test_set/": TEST_SET,
    "headroom/": HEADROOM,
    "critic/": CRITIC,
    "pilot/": QUALITY,
    "sft_data/qc": QUALITY,
    "sft_data/overlap": OVERLAP,
    "dev_evaluation/": LIFT,
    "gates/error_rates": ERROR_RATES,
    "preferences/": PAIRS,
    "evaluation/": AUDIT,
    "edits/": EDITS,
    "budget/automation": AUTOMATION,
}


def describe(source: str, metric: str) -> str:
    """What a metric of a file (path below the results, no suffix) means; empty for an unknown one."""
    found = next((metrics for start, metrics in FILES.items() if source.startswith(start)), {})
    return found.get(metric, "")
