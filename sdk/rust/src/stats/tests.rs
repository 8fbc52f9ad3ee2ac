#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

fn near(a: Option<f64>, b: f64) {
    let a = a.expect("defined");
    assert!((a - b).abs() < 1e-12, "{a} is not {b}");
}

// From scikit-learn's documentation of roc_auc_score and average_precision_score.
const TRUTH: [bool; 4] = [false, false, true, true];
const SCORE: [f64; 4] = [0.1, 0.4, 0.35, 0.8];

#[test]
fn areas_match_the_documented_example() {
    near(roc_auc(&SCORE, &TRUTH, None), 0.75);
    near(average_precision(&SCORE, &TRUTH), 0.833_333_333_333_333_3);
    near(pr_auc(&SCORE, &TRUTH), 0.791_666_666_666_666_6);
}

#[test]
fn ties_count_half() {
    near(roc_auc(&[0.5, 0.5, 0.5, 0.5], &TRUTH, None), 0.5);
    near(roc_auc(&[0.0, -0.0], &[true, false], None), 0.5);
}

#[test]
fn a_weight_of_two_is_a_row_twice() {
    let twice = roc_auc(&[0.1, 0.4, 0.4, 0.35, 0.8], &[false, false, false, true, true], None);
    let weighted = roc_auc(&SCORE, &TRUTH, Some(&[1.0, 2.0, 1.0, 1.0]));
    assert_eq!(twice, weighted);
}

#[test]
fn what_is_not_defined_is_none() {
    assert_eq!(roc_auc(&[0.1, 0.2], &[true, true], None), None);
    assert_eq!(roc_auc(&[0.1, 0.2], &[false, false], None), None);
    assert_eq!(roc_auc(&[], &[], None), None);
    assert_eq!(roc_auc(&[f64::NAN, 0.2], &[true, false], None), None);
    assert_eq!(roc_auc(&[0.1], &[true, false], None), None);
    assert_eq!(average_precision(&[0.1], &[false]), None);
    assert_eq!(log_loss(&[1.5], &[true]), None);
    assert_eq!(log_loss(&[f64::NAN], &[true]), None);
    assert_eq!(multiclass_log_loss(&[0.0, 0.0], 2, &[0]), None);
    assert_eq!(multiclass_log_loss(&[0.5, 0.5], 2, &[2]), None);
    assert_eq!(Counts::default().accuracy(), None);
    assert_eq!(Counts::default().matthews(), None);
    assert_eq!(Matrix::of(&[0], &[2], 2), None);
    assert_eq!(mean(&[]), None);
    assert_eq!(mean(&[f64::INFINITY]), None);
    assert_eq!(std_dev(&[1.0], 1), None);
    assert_eq!(quantile(&[1.0, f64::NAN], 0.5), None);
    assert_eq!(quantile(&[1.0, -f64::NAN], 0.5), None);
    assert_eq!(quantile(&[1.0], 1.5), None);
    assert_eq!(regression::mape(&[0.0], &[1.0]), None);
    assert_eq!(regression::r2(&[1.0, 1.0], &[1.0, 2.0]), None);
    assert_eq!(regression::mse(&[1.0], &[f64::INFINITY]), None);
}

#[test]
fn certain_and_wrong_is_finite() {
    let loss = log_loss(&[0.0], &[true]).unwrap();
    assert!((loss - 36.043_653_389_117_15).abs() < 1e-9, "{loss}");
}

#[test]
fn rates_of_counts() {
    let truth = [true, true, true, false, false, false, false];
    let predicted = [true, true, false, true, false, false, false];
    let counts = Counts::of(&truth, &predicted).unwrap();
    near(counts.precision(), 2.0 / 3.0);
    near(counts.recall(), 2.0 / 3.0);
    near(counts.f1(), 2.0 / 3.0);
    near(counts.jaccard(), 0.5);
    near(counts.accuracy(), 5.0 / 7.0);
    near(counts.matthews(), 5.0 / 12.0);
    near(counts.false_positive_rate(), 0.25);
    near(counts.selection_rate(), 3.0 / 7.0);
}

#[test]
fn averages_over_classes_match_the_documented_example() {
    // scikit-learn, f1_score: y_true [0,1,2,0,1,2], y_pred [0,2,1,0,0,1].
    let matrix = Matrix::of(&[0, 1, 2, 0, 1, 2], &[0, 2, 1, 0, 0, 1], 3).unwrap();
    near(matrix.averaged(Average::Macro, Counts::f1), 0.266_666_666_666_666_66);
    near(matrix.averaged(Average::Micro, Counts::f1), 1.0 / 3.0);
    near(matrix.averaged(Average::Weighted, Counts::f1), 0.266_666_666_666_666_66);
    assert_eq!(matrix.counts(), [2, 0, 0, 1, 0, 1, 0, 2, 0]);
}

#[test]
fn curves_keep_their_ends_when_thinned() {
    let scores: Vec<f64> = (0..1000).map(f64::from).collect();
    let truth: Vec<bool> = (0..1000).map(|i| i % 3 == 0).collect();
    let points = ranking::points(&scores, &truth, None).unwrap();
    let roc = ranking::roc_curve(&points, 200).unwrap();
    assert_eq!((roc.len(), roc[0], roc[199]), (200, (0.0, 0.0), (1.0, 1.0)));
    let pr = ranking::precision_recall_curve(&points, 200).unwrap();
    assert_eq!((pr.len(), pr[0], pr[199].0), (200, (0.0, 1.0), 1.0));
}

#[test]
fn calibration_puts_an_edge_into_the_lower_bin() {
    let bins = probability::calibration(&[0.5, 0.6, 1.0, 0.0], &[true, true, true, false], 2);
    let bins = bins.unwrap();
    assert_eq!(bins.iter().map(|b| b.rows).collect::<Vec<_>>(), [2, 2]);
    near(probability::expected_calibration_error(&bins), 0.5 * 0.25 + 0.5 * 0.2);
}

#[test]
fn summaries() {
    near(quantile(&[4.0, 1.0, 3.0, 2.0], 0.25), 1.75);
    near(median(&[3.0, 1.0, 2.0]), 2.0);
    near(std_dev(&[1.0, 2.0, 3.0, 4.0], 0), 1.25_f64.sqrt());
    near(variance(&[1.0, 2.0, 3.0], 1), 1.0);
    // scikit-learn's documented example of r2_score and its neighbours.
    let (truth, predicted) = ([3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0]);
    near(regression::r2(&truth, &predicted), 0.948_608_137_044_967_9);
    near(regression::explained_variance(&truth, &predicted), 0.957_173_447_537_473_2);
    near(regression::mse(&truth, &predicted), 0.375);
    near(regression::median_ae(&truth, &predicted), 0.5);
    near(regression::mape(&truth, &predicted), 0.327_380_952_380_952_4);
}
