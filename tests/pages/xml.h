// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cctype>
#include <regex>
#include <string>
#include <vector>

/// The text with what attributes hold left out, but '<': a regular expression takes a stack frame for each of
/// its characters, and a path has thousands.
inline std::string without_values(const std::string& text) {
  std::string kept;
  bool in_tag = false, in_value = false;
  for (const char c : text) {
    if (in_value && c != '"' && c != '<') continue;
    kept += c;
    if (c == '"' && in_tag) in_value = !in_value;
    if (!in_value && c == '<') in_tag = true;
    if (!in_value && c == '>') in_tag = false;
  }
  return kept;
}

/// "" for well-formed XML, as far as our files use it (a declaration, elements, quoted attributes, the five
/// named and numeric entities, one root), else what is wrong with it.
inline std::string xml_problem(const std::string& whole) {
  static const std::regex declaration(R"(<\?xml version="1\.0" encoding="UTF-8"\?>\s*)"),
      tag(R"(<(/?)([A-Za-z][\w.-]*)((\s+[A-Za-z:][\w:.-]*="[^"<]*")*)\s*(/?)>)"),
      attribute(R"(([\w:.-]+)=")"), entity(R"(&(amp|lt|gt|quot|apos|#\d+);)");
  std::vector<std::string> open;
  std::smatch match;
  const bool declared = std::regex_search(whole, match, declaration, std::regex_constants::match_continuous);
  const std::string text = without_values(whole.substr(declared ? match.length() : 0));
  size_t roots = 0, at = 0;
  const auto take = [&](const std::regex& what) {
    const auto begin = text.begin() + static_cast<ptrdiff_t>(at);
    if (!std::regex_search(begin, text.end(), match, what, std::regex_constants::match_continuous))
      return false;
    at += match.length();
    return true;
  };
  while (at < text.size()) {
    const std::string where = " at '" + text.substr(at, 60) + "'";
    if (text[at] == '<') {
      if (!take(tag)) return "no tag" + where;
      std::vector<std::string> names;
      const std::string attributes = match[3];
      for (std::sregex_iterator it(attributes.begin(), attributes.end(), attribute), end; it != end; ++it) {
        for (const std::string& name : names)
          if (name == (*it)[1]) return "an attribute twice" + where;
        names.push_back((*it)[1]);
      }
      if (match[1] == "/") {
        if (open.empty() || open.back() != match[2]) return "closes what is not open" + where;
        open.pop_back();
      } else {
        if (open.empty() && ++roots > 1) return "a second root" + where;
        if (match[5] != "/") open.push_back(match[2]);
      }
    } else if (text[at] == '&') {
      if (!take(entity)) return "no entity" + where;
    } else {
      if (open.empty() && std::isspace(static_cast<unsigned char>(text[at])) == 0)
        return "text outside" + where;
      ++at;
    }
  }
  if (!open.empty()) return "'" + open.back() + "' stays open";
  return roots == 1 ? "" : "no root";
}
