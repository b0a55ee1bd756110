// SPDX-License-Identifier: Apache-2.0
#include "pages/html.h"

#include <algorithm>
#include <cstdint>

#include "config/printable.h"
#include "pages/chart_style.h"

namespace onestep::pages {
namespace {

/// Everything but charts, which chart_style.h dresses.
constexpr std::string_view kRules = R"(
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; background: var(--bg); color: var(--fg);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { font-size: 1.75rem; line-height: 1.2; font-weight: 650; margin: 0 0 1.5rem; letter-spacing: -0.01em; }
h2 { font-size: 1.2rem; font-weight: 620; margin: 2.5rem 0 .75rem; padding-bottom: .35rem; border-bottom: 1px solid var(--line); }
p { margin: .6rem 0; max-width: 46rem; }
.notice { border-left: 3px solid var(--note); background: var(--note-bg); padding: .6rem .9rem; border-radius: 0 4px 4px 0; }
.headline { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1rem 0; }
.headline div { flex: 1 1 11rem; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; }
.headline b { display: block; font-size: 1.6rem; font-weight: 620; line-height: 1.25; font-variant-numeric: tabular-nums; }
.headline span { display: block; } .headline small { color: var(--soft); }
.scroll { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .9rem .35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 550; white-space: nowrap; } .n { text-align: right; white-space: nowrap; }
figure { margin: 1.2rem 0; overflow-x: auto; break-inside: avoid; } figcaption { color: var(--soft); font-size: .9rem; margin-top: .4rem; max-width: 46rem; }
svg.chart { display: block; width: 100%; min-width: 34rem; max-width: 46rem; height: auto; }
figure img { max-width: 100%; height: auto; image-rendering: pixelated; border-radius: 4px; }
details { margin: .8rem 0; } summary { cursor: pointer; color: var(--soft); }
pre { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem;
  font: 13px/1.45 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
@media print { body { max-width: none; padding: 0; font-size: 10.5pt; } details::details-content { content-visibility: visible; block-size: auto; } h2 { break-after: avoid; } pre { white-space: pre-wrap; } }
)";

/// The page's stylesheet: colours as variables, dark ones where the reader prefers them.
std::string style() {
  std::string light, dark;
  for (const Colour& colour : palette()) {
    const std::string variable = " --" + std::string(colour.name) + ": ";
    light += variable + std::string(colour.light) + ";";
    dark += variable + std::string(colour.dark) + ";";
  }
  return "\n:root { color-scheme: light dark;" + light + " }\n@media (prefers-color-scheme: dark) { :root {" +
         dark + " } }" + std::string(kRules) + std::string(chart_rules());
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = i; j < i + 3; ++j)
      group = group << 8 | (j < bytes.size() ? static_cast<uint8_t>(bytes[j]) : 0);
    const size_t digits = std::min<size_t>(bytes.size() - i, 3) + 1;
    for (size_t j = 0; j < 4; ++j) text += j < digits ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

std::string element(std::string_view tag, std::string_view body) {
  return std::string("<").append(tag).append(">").append(body).append("</").append(tag).append(">\n");
}

// A digit at the start, perhaps after a sign or "≈", as in "7.4 ± 0.3" or "−1".
bool looks_like_number(std::string_view cell) {
  for (const std::string_view sign : {"-", "+", "−", "≈", "<", ">", "≤", "≥"})
    if (cell.substr(0, sign.size()) == sign) {
      cell.remove_prefix(sign.size());
      break;
    }
  while (!cell.empty() && cell.front() == ' ') cell.remove_prefix(1);
  return !cell.empty() && cell.front() >= '0' && cell.front() <= '9';
}

}  // namespace

namespace {

/// Text without characters that mean something in HTML.
std::string as_html(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

}  // namespace

std::string escape(std::string_view text) {
  return as_html(config::printable(text));
}

std::string png_data_uri(std::string_view png) {
  return "data:image/png;base64," + base64(png);
}

std::string page(std::string_view title, std::string_view body) {
  const std::string heading = escape(title);
  return "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
         heading + "</title>\n<style>" + style() + "</style>\n</head>\n<body>\n<h1>" + heading + "</h1>\n" +
         std::string(body) + "</body>\n</html>\n";
}

std::string section(std::string_view title, std::string_view body, std::string_view id) {
  return (id.empty() ? "<section>\n" : "<section id=\"" + escape(id) + "\">\n") +
         element("h2", escape(title)) + std::string(body) + "</section>\n";
}

std::string paragraph(std::string_view text) {
  return element("p", escape(text));
}

std::string notice(std::string_view text) {
  return "<p class=\"notice\">" + escape(text) + "</p>\n";
}

std::string headline(const std::vector<Figure>& figures) {
  std::string cards;
  for (const Figure& figure : figures)
    cards += "<div><b>" + escape(figure.value) + "</b><span>" + escape(figure.meaning) + "</span>" +
             (figure.detail.empty() ? "" : "<small>" + escape(figure.detail) + "</small>") + "</div>\n";
  return "<div class=\"headline\">\n" + cards + "</div>\n";
}

std::string table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows) {
  // A column of mostly numbers is set to the right, its heading and its dashes too.
  std::vector<int> balance(header.size(), 0);
  for (const auto& row : rows)
    for (size_t i = 0; i < std::min(row.size(), header.size()); ++i)
      balance[i] += looks_like_number(row[i]) ? 1 : -1;
  const auto cells = [&](const std::vector<std::string>& row, const std::string& tag) {
    std::string html;
    for (size_t i = 0; i < row.size(); ++i)
      html += "<" + tag + (i < balance.size() && balance[i] > 0 ? " class=\"n\">" : ">") + escape(row[i]) +
              "</" + tag + ">";
    return "<tr>" + html + "</tr>\n";
  };
  std::string html = "<div class=\"scroll\"><table>\n<thead>" + cells(header, "th") + "</thead>\n<tbody>\n";
  for (const auto& row : rows) html += cells(row, "td");
  return html + "</tbody></table></div>\n";
}

std::string image_figure(std::string_view png, std::string_view caption) {
  return figure("<img alt=\"" + escape(caption) + "\" src=\"" + png_data_uri(png) + "\">", caption);
}

std::string figure(std::string_view body, std::string_view caption) {
  return element("figure", std::string(body) + "\n" + element("figcaption", escape(caption)));
}

std::string details(std::string_view summary, std::string_view body) {
  return element("details", element("summary", escape(summary)) + std::string(body));
}

std::string preformatted(std::string_view text) {
  return element("pre", as_html(config::printable_lines(text)));
}

}  // namespace onestep::pages
