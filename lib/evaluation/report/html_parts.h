// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "evaluation/evaluate.h"

/// Small pieces of report.html that several sections use. As in pages/html.h, text is escaped unless a name
/// ends in `_html` or says body.
namespace onestep {

using Row = std::vector<std::string>;

/// The stylesheet of everything here and in the sections.
std::string report_style();

std::string heading(const std::string& text);
std::string list(const std::vector<std::string>& lines);

/// A chart with its caption; on a phone it shrinks rather than scrolls, with larger letters.
std::string chart_figure(const std::string& chart_html, const std::string& caption);

/// A name short enough for a chart's margin: "a very long na…".
std::string chart_name(const std::string& name);

/// A table whose cells are HTML. Column i is set to the right where numeric[i].
std::string html_table(const std::vector<std::string>& header, const std::vector<bool>& numeric,
                       const std::vector<Row>& rows_html);

/// A number with a bar below it, `share` (0 … 1) of the cell long, none where it is not above 0. `style` is a
/// class: "s0" … "s5".
std::string bar_cell(const std::string& text, double share, const std::string& style);

/// "7.40 ± 0.21" of a subject.
std::string fid_text(const Subject& subject);

/// Text of a value that may be missing: "–".
std::string or_dash(const std::optional<double>& value, std::string (*text)(double));
std::string count_or_dash(const std::optional<int64_t>& value);

/// "1 image", "2,000 images".
std::string counted(int64_t count, const std::string& one);

}  // namespace onestep
