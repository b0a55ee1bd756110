// SPDX-License-Identifier: Apache-2.0
#include "config/help.h"

#include <algorithm>
#include <array>
#include <sstream>

#include "config/scalar.h"

namespace onestep::config {
namespace {

constexpr size_t kColumns = 100;

std::string with(const char* type, const Check& check) {
  return check.expected.empty() ? type : std::string(type) + " " + check.expected;
}

// Columns as a terminal counts them: UTF-8 continuation bytes take none.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

// Lines of at most `width` columns; a longer word gets a line of its own.
std::vector<std::string> wrapped(const std::string& text, size_t width) {
  std::vector<std::string> lines{""};
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    std::string& line = lines.back();
    if (line.empty()) {
      line = word;
    } else if (width_of(line) + 1 + width_of(word) <= width) {
      line += " " + word;
    } else {
      lines.push_back(word);
    }
  }
  return lines;
}

// Cells side by side, each wrapped in its own column. A cell that is wider pushes the rest to the next line.
std::string row_text(const std::array<std::string, 4>& cells, const std::array<size_t, 4>& widths) {
  std::array<std::vector<std::string>, 4> lines;
  size_t height = 0;
  bool pushed = false;
  for (size_t column = 0; column < 4; ++column) {
    lines[column] = wrapped(cells[column], widths[column]);
    const bool too_wide =
        std::ranges::any_of(lines[column], [&](auto& line) { return width_of(line) > widths[column]; });
    if (pushed) lines[column].insert(lines[column].begin(), "");
    pushed = pushed || too_wide;
    height = std::max(height, lines[column].size());
  }
  std::string text;
  for (size_t i = 0; i < height; ++i) {
    std::string line;
    size_t end = 0;
    for (size_t column = 0; column < 4; ++column) {
      const std::string cell = i < lines[column].size() ? lines[column][i] : "";
      if (!cell.empty()) line += std::string(end > width_of(line) ? end - width_of(line) : 0, ' ') + cell;
      end += widths[column] + 2;
    }
    text += line + "\n";
  }
  return text;
}

}  // namespace

std::string type_phrase(const bool&, const Check&) {
  return "true or false";
}
std::string type_phrase(const int64_t&, const Check& check) {
  return with("integer", check);
}
std::string type_phrase(const double&, const Check& check) {
  return with("number", check);
}
std::string type_phrase(const std::string&, const Check& check) {
  return check.expected.empty() ? "text" : check.expected;
}

std::string list_phrase(const std::string& entry) {
  return std::string("[").append(entry).append(", …]");
}

std::string default_text(const Node& value, const Check& check) {
  const bool refused = is_text(value) ? check.text && !check.text(value.text)
                                      : check.number && as_number(value) && !check.number(*as_number(value));
  return refused ? "required" : flow_text(value);
}

std::string help_table(const HelpRows& rows) {
  std::array<size_t, 4> widths{10, 22, 12, 0};
  for (const HelpRow& row : rows) {
    if (!row.type.empty()) widths[0] = std::clamp(width_of(row.path), widths[0], size_t{36});
  }
  widths[3] = kColumns - widths[0] - widths[1] - widths[2] - 3 * 2;
  std::string text = row_text({"key", "value", "default", "meaning"}, widths);
  std::string group;  // what the paths of the rows below the last heading begin with
  for (const HelpRow& row : rows) {
    if (row.type.empty()) {
      const bool is_first_of_all = row.path.empty() && row.meaning.empty();
      if (!is_first_of_all) text += "\n" + row.path + (row.meaning.empty() ? "" : ": " + row.meaning) + "\n";
      group = row.path.substr(0, row.path.find_first_of(" ("));
      if (!group.empty()) group += ".";
    } else {
      if (!row.path.starts_with(group)) text += "\n";
      if (!row.path.starts_with(group)) group.clear();
      text += row_text({row.path, row.type, row.standard, row.meaning}, widths);
    }
  }
  return text;
}

}  // namespace onestep::config
