// SPDX-License-Identifier: Apache-2.0
#include "source_tree.h"

#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

namespace fs = std::filesystem;

Source make_source(std::string path, const std::string& text) {
  static const std::regex include(R"re(^\s*#\s*include\s*(["<][^">]+))re");
  Source source{std::move(path), {}, {}};
  std::istringstream stream(text);
  std::smatch match;
  for (std::string line; std::getline(stream, line);) {
    if (std::regex_search(line, match, include)) source.includes.push_back(match[1]);
    source.lines.push_back(std::move(line));
  }
  return source;
}

std::map<std::string, Source> read_tree(const fs::path& root, const std::vector<std::string>& folders) {
  static const std::set<std::string> kinds = {".h", ".cpp", ".cu", ".cuh", ".cmake", ".sh", ".py", ".yaml"};
  std::map<std::string, Source> tree;
  for (const std::string& folder : folders) {
    if (!fs::exists(root / folder)) continue;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / folder)) {
      const fs::path& path = entry.path();
      if (!entry.is_regular_file() ||
          (!kinds.contains(path.extension()) && path.filename() != "CMakeLists.txt")) {
        continue;
      }
      std::ifstream file(path, std::ios::binary);
      const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
      const std::string name = fs::relative(path, root).generic_string();
      tree.emplace(name, make_source(name, text));
    }
  }
  return tree;
}

std::vector<std::string> layer_order(const Source& lib_cmake) {
  static const std::regex foreach (R"(^foreach\(_folder (.*)\)$)");
  std::smatch match;
  for (const std::string& line : lib_cmake.lines) {
    if (!std::regex_match(line, match, foreach)) continue;
    std::istringstream words(match[1]);
    return {std::istream_iterator<std::string>(words), {}};
  }
  return {};
}

std::string layer_of(const std::string& path) {
  const fs::path parts = path;
  auto part = parts.begin();
  return *part == "lib" ? (++part)->string() : part->string();
}
