// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>
#include <vector>

/// Pieces of a self-contained report: functions from text to HTML. No scripts, nothing from a network; one
/// stylesheet for screen, phone and paper, light and dark. Arguments named `…_html` and `body` are HTML, all
/// others plain text and escaped here.
namespace onestep::pages {

/// Text to HTML: & < > " ' replaced, bytes that no HTML may hold (control characters) dropped.
std::string escape(std::string_view text);

/// "data:image/png;base64,…" of an encoded image.
std::string png_data_uri(std::string_view png);

/// The whole document.
std::string page(std::string_view title, std::string_view body);

/// A heading and what stands under it; `id` is what a link on the page may point at.
std::string section(std::string_view title, std::string_view body, std::string_view id = {});

std::string paragraph(std::string_view text);

/// A paragraph set apart: what a reader must not miss (validity, comparability).
std::string notice(std::string_view text);

/// Headline figures side by side: the value large, what it is below, an optional detail in small print.
struct Figure {
  std::string value, meaning, detail;
};
std::string headline(const std::vector<Figure>& figures);

/// A table; columns of mostly numbers are set to the right. Rows may be shorter than the header.
std::string table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows);

/// A PNG image (its bytes) or any HTML (a chart) with a caption below.
std::string image_figure(std::string_view png, std::string_view caption);
std::string figure(std::string_view body, std::string_view caption);

/// A part that is folded until it is clicked: provenance, resolved configuration.
std::string details(std::string_view summary, std::string_view body);

/// Text in fixed width with its lines kept.
std::string preformatted(std::string_view text);

}  // namespace onestep::pages
