// SPDX-License-Identifier: Apache-2.0
// The repository obeys its rules.
#include <catch2/catch.hpp>

#include "rules.h"

namespace {

std::string text(const Complaints& complaints) {
  std::string all;
  for (const std::string& line : complaints) all += line + "\n";
  return all;
}

void collect(Complaints& all, const Complaints& more) {
  all.insert(all.end(), more.begin(), more.end());
}

}  // namespace

TEST_CASE("the library, kernels and apps keep their order, and third parties apart", "[architecture]") {
  const std::map<std::string, Source> tree = read_tree(ONESTEP_SOURCE, {"lib", "apps", "kernels"});
  REQUIRE(tree.contains("lib/CMakeLists.txt"));
  const std::vector<std::string> layers = layer_order(tree.at("lib/CMakeLists.txt"));
  REQUIRE(layers.size() > 5);
  const std::map<std::string, std::string> owners = target_owners(tree);
  Complaints all;
  for (const auto& [path, source] : tree) {
    if (path.ends_with("CMakeLists.txt")) {
      if (path.starts_with("lib/") && path != "lib/CMakeLists.txt")
        collect(all, check_links(source, layers, owners));
      continue;
    }
    collect(all, check_layers(source, layers));
    collect(all, check_namespaces(source));
    collect(all, check_third_party(source));
    collect(all, check_spdlog(source, tree));
  }
  INFO(text(all));
  CHECK(all.empty());
}

TEST_CASE("every file carries the licence, and is one concept long", "[architecture]") {
  const std::map<std::string, Source> tree =
      read_tree(ONESTEP_SOURCE, {"lib", "apps", "kernels", "tests", "scripts", "configs"});
  Complaints all;
  for (const auto& [path, source] : tree) {
    collect(all, check_licence(source));
    collect(all, check_length(source));
  }
  INFO(text(all));
  CHECK(all.empty());
}
