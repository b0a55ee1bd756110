// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "config/config.h"
#include "evaluation/galleries.h"
#include "evaluation/number_text.h"
#include "evaluation/remarks.h"
#include "evaluation/report.h"
#include "io/html.h"
#include "io/progress.h"
#include "io/svg_chart.h"

namespace onestep {
namespace {

using Row = std::vector<std::string>;

constexpr const char* kStyle = R"(
.hero { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.1rem 1.4rem 1.2rem; margin: 1rem 0; }
.hero .what { color: var(--soft); margin: 0; }
.hero .fid { font-size: clamp(2.6rem, 9vw, 4rem); font-weight: 680; line-height: 1.1; letter-spacing: -.02em; font-variant-numeric: tabular-nums; margin: .1rem 0; }
.hero .fid small { font-size: .42em; font-weight: 500; color: var(--soft); letter-spacing: 0; white-space: nowrap; }
.hero p { margin: .35rem 0; }
.pill { display: inline-block; padding: .08rem .65rem; border-radius: 1rem; font-size: .85rem; font-weight: 600; margin-right: .5rem; border: 1px solid currentColor; }
.better { color: var(--s2); } .worse { color: var(--s1); } .inconclusive { color: var(--soft); }
.headline small { display: block; }
.chart-box { overflow-x: auto; } .chart-box svg { min-width: 30rem; }
td:first-child { min-width: 6.5rem; }
h3 { font-size: 1rem; font-weight: 600; margin: 1.6rem 0 .5rem; } ul { padding-left: 1.2rem; max-width: 46rem; } li { margin: .3rem 0; }
@media (max-width: 30rem) { .chart-box svg { min-width: 0; } .chart-box svg.chart { font-size: 16px; } }
@media print { .hero, .headline div { break-inside: avoid; } details { display: block; } }
)";

std::string heading(const std::string& text) {
  return "<h3>" + io::escape(text) + "</h3>\n";
}

std::string list(const std::vector<std::string>& lines) {
  std::string items;
  for (const std::string& line : lines) items += "<li>" + io::escape(line) + "</li>\n";
  return "<ul>\n" + items + "</ul>\n";
}

std::string fid_text(const Subject& subject) {
  return value_and_error(subject.score.fid.value, subject.score.se);
}

std::string nfe_text(const Subject& subject) {
  return subject.set.nfe ? io::format_count(*subject.set.nfe) : "–";
}

/// Images a second of a generator; "–" for what was not drawn.
std::string rate_text(const FeatureSet& set) {
  if (!set.nfe || set.image_seconds <= 0) return "–";
  const double rate = static_cast<double>(set.size()) / set.image_seconds;
  return rate < 100 ? number_text(rate) : io::format_count(std::llround(rate));
}

const Subject* baseline_of(const Evaluation& evaluation) {
  for (const Subject& subject : evaluation.subjects)
    if (!evaluation.config.baseline.empty() && subject.name == evaluation.config.baseline) return &subject;
  return nullptr;
}

std::string hero(const Evaluation& evaluation) {
  const Subject& first = evaluation.subjects.front();
  std::string html = "<div class=\"hero\">\n<p class=\"what\">FID of " + io::escape(first.name) + "</p>\n";
  html += "<p class=\"fid\">" + value_text(first.score.fid.value, first.score.se) + " <small>" +
          error_text(first.score.se) + "</small></p>\n";
  if (evaluation.verdict)
    html += "<p><span class=\"pill " + std::string(outcome_name(evaluation.verdict->outcome)) + "\">" +
            outcome_name(evaluation.verdict->outcome) + "</span>" + io::escape(verdict_sentence(evaluation)) +
            "</p>\n";
  const std::string evaluations = first.set.nfe ? io::format_count(*first.set.nfe) + " network evaluation" +
                                                      (*first.set.nfe == 1 ? "" : "s") + " an image · "
                                                : "";
  html += "<p class=\"what\">" + evaluations + io::format_count(first.set.size()) + " samples against " +
          io::format_count(evaluation.reference.set.size()) + " of the reference · " +
          io::format_count(first.set.width()) + " features · lower is better</p>\n</div>\n";
  std::vector<io::Figure> others;
  for (size_t i = 1; i < evaluation.subjects.size(); ++i) {
    const Subject& other = evaluation.subjects[i];
    others.push_back(
        {fid_text(other), other.name,
         other.set.nfe ? "NFE " + nfe_text(other) : io::format_count(other.set.size()) + " samples"});
  }
  return html + (others.empty() ? "" : io::headline(others));
}

/// What makes a number worthless stands above it.
std::string warnings(const Evaluation& evaluation) {
  std::string html;
  for (const std::string& warning : evaluation.warnings) html += io::notice(warning);
  return html;
}

std::string comparability_notice(const Evaluation& evaluation) {
  return io::notice(comparability(evaluation));
}

std::string chart(const Evaluation& evaluation) {
  std::vector<io::Dot> dots;
  double low = INFINITY, high = 0;
  for (const Subject& subject : evaluation.subjects) {
    const double fid = subject.score.fid.value;
    dots.push_back({subject.name, fid, subject.score.se.value_or(0.0)});
    low = std::min(low, fid), high = std::max(high, fid);
  }
  const bool log = low > 0 && high > 20 * low;
  return "<div class=\"chart-box\">" +
         io::figure(
             io::dot_chart(dots, {.x_label = log ? "FID (logarithmic)" : "FID", .y_label = "", .log_x = log}),
             "FID with one standard error each way. A bar shorter than its dot does not show.") +
         "</div>\n";
}

std::string comparison(const Evaluation& evaluation) {
  std::vector<Row> rows;
  for (const Subject& subject : evaluation.subjects) {
    const FeatureSet& set = subject.set;
    const bool drawn = set.nfe.has_value();
    rows.push_back({subject.name, value_text(subject.score.fid.value, subject.score.se),
                    subject.score.se ? number_text(*subject.score.se, 2) : "–", nfe_text(subject),
                    io::format_count(set.size()), number_text(subject.score.fid.mean_term),
                    number_text(subject.score.fid.covariance_term),
                    subject.validity.class_accuracy ? percent_text(*subject.validity.class_accuracy) : "–",
                    rate_text(set), drawn ? number_text(set.image_seconds) : "–"});
  }
  const std::string text =
      "FID is the mean term (squared distance of the mean features) plus the covariance term. The standard "
      "error "
      "comes from the influence of each sample on FID. “Class right” is the share that the classifier sees "
      "as the class asked for, or as the label. Images/s and seconds are for drawing the images on this "
      "machine.";
  return io::section("Comparison", chart(evaluation) +
                                       io::table({"", "FID", "SE", "NFE", "N", "mean term", "cov. term",
                                                  "class right", "images/s", "seconds"},
                                                 rows) +
                                       io::paragraph(text));
}

/// Metrics in rows, subjects in columns; "" where FID alone was asked for.
std::string all_metrics(const Evaluation& evaluation) {
  const Subject& first = evaluation.subjects.front();
  if (first.measured.values.empty()) return "";
  Row header{"", "better"};
  for (const Subject& subject : evaluation.subjects) header.push_back(subject.name);
  Row fid{"FID", "↓"};
  for (const Subject& subject : evaluation.subjects) fid.push_back(fid_text(subject));
  std::vector<Row> rows{fid};
  std::vector<std::string> definitions;
  for (size_t i = 0; i < first.measured.values.size(); ++i) {
    const MetricInfo& info = metric_info(first.measured.values[i].key);
    Row row{info.title, info.higher_is_better ? "↑" : "↓"};
    for (const Subject& subject : evaluation.subjects) {
      const MetricValue& metric = subject.measured.values[i];
      row.push_back(metric.value ? value_and_error(*metric.value, metric.se) : "–");
      if (!metric.value) definitions.push_back(info.title + " of " + subject.name + ": " + metric.reason);
    }
    rows.push_back(row);
    definitions.push_back(info.title + ": " + info.definition);
  }
  return io::section("All metrics",
                     io::table(header, rows) + io::details("what they are", list(definitions)));
}

std::string headline_galleries(const Evaluation& evaluation) {
  const Subject& first = evaluation.subjects.front();
  std::string html;
  if (first.set.images.defined()) {
    html +=
        heading("By class") +
        io::paragraph(first.set.labels.defined()
                          ? "The first images of each class that was asked for; not chosen by hand."
                          : "The first images that the classifier sees as each class; not chosen by hand.") +
        class_gallery(evaluation, first, 12);
    html += heading("Random") + io::paragraph("Drawn by seed, not chosen by hand.") +
            random_gallery(first, evaluation.config.seed, 80);
  }
  html += heading("Most harmful to FID") +
          io::paragraph(
              "The samples with the largest influence I(x): without such a sample, FID would be lower by "
              "about I(x)/N. A negative influence helps; the mean over all samples is 0.") +
          harmful_gallery(evaluation, first, 24);
  return io::section("Samples of " + first.name, html);
}

std::string other_galleries(const Evaluation& evaluation) {
  std::string html;
  for (size_t i = 1; i < evaluation.subjects.size(); ++i) {
    const Subject& other = evaluation.subjects[i];
    if (!other.set.images.defined()) continue;
    html += heading(other.name + ", FID " + fid_text(other)) +
            random_gallery(other, evaluation.config.seed, 32) +
            io::details("most harmful to FID", harmful_gallery(evaluation, other, 12));
  }
  return html.empty() ? "" : io::section("Samples of the others", html);
}

/// Facts in rows, sets in columns.
std::string validity_table(const Evaluation& evaluation) {
  Row header{""}, n{"samples N"}, d{"features d"}, rank{"rank of Σ"}, twice{"duplicates"},
      flat{"images of one colour"}, right{"class right"}, bias{"FID of equal laws at this N"},
      root{"covariance root"};
  const auto add = [&](const std::string& name, const FeatureSet& set, const Validity& validity,
                       int64_t rank_of, const std::string& method, std::optional<double> equality) {
    header.push_back(name);
    n.push_back(io::format_count(set.size()) + (set.size() > set.width() ? "" : " (too few)"));
    d.push_back(io::format_count(set.width()));
    rank.push_back(io::format_count(rank_of));
    twice.push_back(validity.duplicates ? io::format_count(*validity.duplicates) : "–");
    flat.push_back(validity.constant_images ? io::format_count(*validity.constant_images) : "–");
    right.push_back(validity.class_accuracy ? percent_text(*validity.class_accuracy) : "–");
    bias.push_back(equality ? number_text(*equality, 2) : "–");
    root.push_back(method);
  };
  for (const Subject& subject : evaluation.subjects)
    add(subject.name, subject.set, subject.validity, subject.score.rank, subject.score.method,
        subject.score.equality_bias);
  const Reference& reference = evaluation.reference;
  add("reference", reference.set, reference.validity, reference.law.rank, reference.law.method, std::nullopt);
  return io::table(header, {n, d, rank, twice, flat, right, bias, root});
}

/// Share of each class that the classifier sees, the headline as a bar and every set as a number.
std::string class_table(const Evaluation& evaluation) {
  const auto share = [](const Validity& validity, size_t k) {
    int64_t all = 0;
    for (int64_t count : validity.class_counts) all += count;
    return k < validity.class_counts.size() && all > 0
               ? static_cast<double>(validity.class_counts[k]) / static_cast<double>(all)
               : 0.0;
  };
  size_t classes = evaluation.reference.validity.class_counts.size();
  for (const Subject& subject : evaluation.subjects)
    classes = std::max(classes, subject.validity.class_counts.size());
  constexpr size_t kMaxRows = 50;
  if (classes == 0 || classes > kMaxRows) return "";
  std::vector<const Validity*> columns;
  Row header{"class"};
  for (const Subject& subject : evaluation.subjects)
    if (!subject.validity.class_counts.empty())
      columns.push_back(&subject.validity), header.push_back(subject.name);
  if (!evaluation.reference.validity.class_counts.empty())
    columns.push_back(&evaluation.reference.validity), header.push_back("reference");
  std::vector<Row> rows;
  for (size_t k = 0; k < classes; ++k) {
    Row row{class_name(evaluation, static_cast<int64_t>(k))};
    for (const Validity* column : columns) row.push_back(percent_text(share(*column, k)));
    rows.push_back(row);
  }
  return heading("Classes that the classifier sees") + io::table(header, rows);
}

std::string validity(const Evaluation& evaluation) {
  const FeatureSet& reference = evaluation.reference.set;
  return io::section("Validity", validity_table(evaluation) + class_table(evaluation) + heading("Reference") +
                                     io::table({}, {{"name", reference.source},
                                                    {"N", io::format_count(reference.size())},
                                                    {"SHA-256", reference.sha256}}) +
                                     heading("To be kept in mind") + list(evaluation.notes));
}

std::string provenance_section(const Evaluation& evaluation, const Provenance& provenance) {
  std::vector<Row> rows{
      {"OneStep", provenance.onestep}, {"LibTorch", provenance.libtorch},
      {"device", provenance.device},   {"threads", std::to_string(provenance.threads)},
      {"date", provenance.date},       {"whole evaluation", io::format_duration(provenance.seconds)}};
  std::vector<Row> files;
  if (!evaluation.network.empty())
    files.push_back({"features", evaluation.network, evaluation.network_sha256});
  for (const Subject& subject : evaluation.subjects)
    files.push_back({subject.name, subject.set.source, subject.set.sha256});
  files.push_back({"reference", evaluation.reference.set.source, evaluation.reference.set.sha256});
  std::vector<Row> stages;
  const auto stage = [&](const std::string& name, const FeatureSet& set) {
    stages.push_back({name, set.nfe ? number_text(set.image_seconds) : "–",
                      set.feature_seconds > 0 ? number_text(set.feature_seconds) : "–",
                      set.sampler.empty() ? "" : set.sampler});
  };
  for (const Subject& subject : evaluation.subjects) stage(subject.name, subject.set);
  stage("reference", evaluation.reference.set);
  return io::section(
      "Provenance",
      io::preformatted(provenance.command) + io::table({}, rows) + heading("Timings") +
          io::table({"", "drawing, s", "features, s", "sampler"}, stages) + heading("Files") +
          io::table({"", "source", "SHA-256 (of the file; of the pixels for a dataset)"}, files) +
          io::details("resolved configuration", io::preformatted(config::to_yaml(evaluation.config))));
}

}  // namespace

std::string verdict_sentence(const Evaluation& evaluation) {
  const Subject* baseline = baseline_of(evaluation);
  if (!baseline || !evaluation.verdict) return "";
  const Verdict& verdict = *evaluation.verdict;
  const Subject& first = evaluation.subjects.front();
  const std::string against = baseline->name + " (" + fid_text(*baseline) + ")";
  const std::string gap = value_and_error(std::abs(verdict.gap), verdict.se);
  if (verdict.outcome == Outcome::inconclusive)
    return "A gap of " + gap + " to " + against + " is inconclusive: it is below " +
           (verdict.within_noise ? "2 standard errors."
                                 : "1.3 % of FID, what a training seed alone is worth.");
  std::string text =
      "FID is " + gap + " " + (verdict.gap < 0 ? "lower" : "higher") + " than that of " + against;
  if (first.set.nfe && baseline->set.nfe && *first.set.nfe < *baseline->set.nfe)
    text += ", with " + io::format_count(*first.set.nfe) + " network evaluation" +
            (*first.set.nfe == 1 ? "" : "s") + " an image instead of " + io::format_count(*baseline->set.nfe);
  if (!verdict.se) text += " (no standard error: N ≤ d)";
  return text + ".";
}

std::string summary_table(const Evaluation& evaluation) {
  std::vector<Row> rows{{"", "NFE", "FID", "N"}};
  for (const Subject& subject : evaluation.subjects)
    rows.push_back({subject.name, subject.set.nfe ? std::to_string(*subject.set.nfe) : "-", fid_text(subject),
                    std::to_string(subject.set.size())});
  // Columns are counted in characters, not bytes: "±" and "−" are one.
  const auto length = [](const std::string& text) {
    return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
  };
  std::vector<int64_t> widths(rows[0].size(), 0);
  for (const Row& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max<int64_t>(widths[i], length(row[i]));
  std::string text;
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string space(static_cast<size_t>(widths[i] - length(row[i])), ' ');
      text += (i == 0 ? row[i] + space : "  " + space + row[i]);
    }
    text += "\n";
  }
  return text;
}

std::string report_html(const Evaluation& evaluation, const Provenance& provenance) {
  return io::page(evaluation.config.title,
                  "<style>" + std::string(kStyle) + galleries_style() + "</style>\n" + warnings(evaluation) +
                      hero(evaluation) + comparability_notice(evaluation) + comparison(evaluation) +
                      all_metrics(evaluation) + headline_galleries(evaluation) + other_galleries(evaluation) +
                      validity(evaluation) + provenance_section(evaluation, provenance));
}

}  // namespace onestep
