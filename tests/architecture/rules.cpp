// SPDX-License-Identifier: Apache-2.0
#include "rules.h"

#include <algorithm>
#include <regex>
#include <set>

namespace {

constexpr size_t kMaxLines = 600;

bool is_header(const std::string& path) {
  return path.ends_with(".h") || path.ends_with(".cuh");
}

/// Whether folder `user` may use folder `used`.
bool allowed(const std::string& user, const std::string& used, const std::vector<std::string>& layers) {
  if (user == used) return true;
  if (user == "kernels") return false;
  const auto place = [&](const std::string& folder) {
    return std::find(layers.begin(), layers.end(), folder) - layers.begin();
  };
  if (used == "kernels") return place(user) > place("io");
  return place(used) < place(user);  // apps are not in the list: their place is after its end
}

/// Whether an include, as written, is of LibTorch.
bool is_torch(const std::string& include) {
  static const std::regex torch(R"(^.(ATen|c10|torch|caffe2)/)");
  return std::regex_search(include, torch);
}

/// Everything that a source includes, our own headers' includes too.
void reach(const Source& source, const std::map<std::string, Source>& tree, std::set<std::string>& seen) {
  for (const std::string& include : source.includes) {
    if (!seen.insert(include).second) continue;
    const std::string folder = source.path.substr(0, source.path.rfind('/') + 1), name = include.substr(1);
    for (const std::string& candidate : {"lib/" + name, "apps/" + name, name, folder + name}) {
      if (const auto found = tree.find(candidate); found != tree.end()) reach(found->second, tree, seen);
    }
  }
}

}  // namespace

Complaints check_layers(const Source& source, const std::vector<std::string>& layers) {
  Complaints complaints;
  const std::string user = layer_of(source.path);
  if (user != "apps" && user != "kernels" && std::find(layers.begin(), layers.end(), user) == layers.end()) {
    return {source.path + ": its folder is not in the list of lib/CMakeLists.txt"};
  }
  for (const std::string& include : source.includes) {
    if (include[0] != '"') continue;
    const std::string used = include.substr(1, include.find('/') - 1);
    const bool known = used == "kernels" || std::find(layers.begin(), layers.end(), used) != layers.end();
    if (!known && user != "apps") {
      complaints.push_back(source.path + ": includes " + include + "\" without its folder");
    } else if (known && !allowed(user, used, layers)) {
      complaints.push_back(source.path + ": " + user + " may not include " + include + "\"");
    }
  }
  return complaints;
}

Complaints check_links(const Source& source, const std::vector<std::string>& layers,
                       const std::map<std::string, std::string>& owners) {
  Complaints complaints;
  static const std::regex target(R"(onestep::(\w+))");
  for (const std::string& line : source.lines) {
    for (std::sregex_iterator match(line.begin(), line.end(), target), end; match != end; ++match) {
      const std::string name = (*match)[1];
      const auto owner = owners.find(name);
      const std::string used = owner == owners.end() ? name : owner->second, user = layer_of(source.path);
      if (!allowed(user, used, layers)) {
        complaints.push_back(source.path + ": " + user + " may not link onestep::" + name);
      }
    }
  }
  return complaints;
}

std::map<std::string, std::string> target_owners(const std::map<std::string, Source>& tree) {
  static const std::regex library(R"(onestep_library\((\w+))");
  std::map<std::string, std::string> owners;
  std::smatch match;
  for (const auto& [path, source] : tree) {
    if (!path.ends_with("CMakeLists.txt")) continue;
    for (const std::string& line : source.lines) {
      if (std::regex_search(line, match, library)) owners[match[1]] = layer_of(path);
    }
  }
  return owners;
}

Complaints check_third_party(const Source& source) {
  static const std::regex yaml("^.yaml-cpp/"), opencv("^.opencv"),
      slow(R"(^.(torch/torch\.h|torch/all\.h|ATen/ATen\.h)$|torch/nn)");
  Complaints complaints;
  for (const std::string& include : source.includes) {
    const auto complain = [&](const std::string& why) {
      complaints.push_back(source.path + ": includes " + include + ": " + why);
    };
    if (std::regex_search(include, slow)) complain("costs many seconds a file; use the headers of ATen/ops");
    if (std::regex_search(include, yaml) && layer_of(source.path) != "config")
      complain("YAML stays in lib/config");
    if (std::regex_search(include, opencv) && layer_of(source.path) != "io")
      complain("OpenCV stays in lib/io");
    if (source.path.ends_with(".cu") && is_torch(include)) complain("no LibTorch in CUDA files");
  }
  return complaints;
}

Complaints check_spdlog(const Source& source, const std::map<std::string, Source>& tree) {
  if (is_header(source.path)) return {};
  std::set<std::string> reached;
  reach(source, tree, reached);
  const bool spdlog = std::any_of(reached.begin(), reached.end(),
                                  [](const std::string& include) { return include.starts_with("<spdlog/"); });
  const auto torch = std::find_if(reached.begin(), reached.end(), is_torch);
  if (!spdlog || torch == reached.end()) return {};
  return {source.path + ": reaches spdlog and LibTorch (" + *torch + ")"};
}

Complaints check_licence(const Source& source) {
  static const std::regex licence(R"(^(//|#) SPDX-License-Identifier: Apache-2\.0$)");
  const size_t line = !source.lines.empty() && source.lines[0].starts_with("#!") ? 1 : 0;
  if (source.lines.size() > line && std::regex_match(source.lines[line], licence)) return {};
  return {source.path + ": has no SPDX-License-Identifier line at its top"};
}

Complaints check_length(const Source& source) {
  if (source.lines.size() <= kMaxLines) return {};
  return {source.path + ": has " + std::to_string(source.lines.size()) + " lines; two concepts met"};
}

Complaints check_namespaces(const Source& source) {
  static const std::regex directive(R"(^\s*using\s+namespace\b)");
  Complaints complaints;
  for (const std::string& line : source.lines) {
    if (is_header(source.path) && std::regex_search(line, directive)) {
      complaints.push_back(source.path + ": " + line + " in a header");
    }
  }
  return complaints;
}
