// SPDX-License-Identifier: Apache-2.0
// Each rule finds the mistake that it is for.
#include <catch2/catch.hpp>

#include "rules.h"

namespace {

const std::vector<std::string> kLayers = {"config", "io", "noise", "training"};

Source including(const std::string& path, const std::string& include) {
  return make_source(path, "#include " + include + "\n");
}

size_t layer_complaints(const std::string& path, const std::string& include) {
  return check_layers(including(path, include), kLayers).size();
}

size_t third_party_complaints(const std::string& path, const std::string& include) {
  return check_third_party(including(path, include)).size();
}

}  // namespace

TEST_CASE("the order of layers is read from CMake", "[architecture]") {
  CHECK(layer_order(make_source("", "# x\nforeach(_folder config io noise)\n  if(X)\n")) ==
        std::vector<std::string>{"config", "io", "noise"});
  CHECK(layer_order(make_source("", "foreach(_other a b)\n")).empty());
}

TEST_CASE("a layer includes itself and those before it", "[architecture]") {
  CHECK(layer_complaints("lib/noise/a.cpp", "\"noise/a.h\"") == 0);
  CHECK(layer_complaints("lib/noise/a.cpp", "\"io/file.h\"") == 0);
  CHECK(layer_complaints("lib/noise/a.cpp", "\"training/loop.h\"") == 1);
  CHECK(layer_complaints("lib/noise/a.cpp", "  \"training/loop.h\"  // why") == 1);
  CHECK(layer_complaints("lib/noise/a.cpp", "<training/loop.h>") == 0);
  CHECK(layer_complaints("lib/noise/a.cpp", "\"a.h\"") == 1);
  CHECK(layer_complaints("lib/unlisted/a.cpp", "<vector>") == 1);
  CHECK(layer_complaints("apps/train/main.cpp", "\"training/loop.h\"") == 0);
  CHECK(layer_complaints("apps/train/main.cpp", "\"kernels/x.h\"") == 0);
}

TEST_CASE("kernels stand alone, after io", "[architecture]") {
  CHECK(layer_complaints("kernels/a.cpp", "\"kernels/a.h\"") == 0);
  CHECK(layer_complaints("kernels/a.cpp", "\"config/check.h\"") == 1);
  CHECK(layer_complaints("lib/noise/a.cpp", "\"kernels/a.h\"") == 0);
  CHECK(layer_complaints("lib/io/a.cpp", "\"kernels/a.h\"") == 1);
}

TEST_CASE("links obey the same order, by the folder that owns the target", "[architecture]") {
  const std::map<std::string, std::string> owners = {{"io", "io"}, {"log", "io"}, {"training", "training"}};
  const auto complaints = [&](const std::string& line) {
    return check_links(make_source("lib/noise/CMakeLists.txt", line), kLayers, owners).size();
  };
  CHECK(complaints("  LINKS onestep::io onestep::log onestep::kernels") == 0);
  CHECK(complaints("  LINKS onestep::io onestep::training") == 1);
  CHECK(complaints("  LINKS onestep::unheard_of") == 1);
  const Source cmake =
      make_source("lib/io/CMakeLists.txt", "onestep_library(log\n)\nonestep_library(io SOURCES");
  CHECK(target_owners({{cmake.path, cmake}}) ==
        std::map<std::string, std::string>{{"io", "io"}, {"log", "io"}});
}

TEST_CASE("third-party headers stay at home", "[architecture]") {
  CHECK(third_party_complaints("lib/config/a.cpp", "<yaml-cpp/yaml.h>") == 0);
  CHECK(third_party_complaints("lib/io/a.cpp", "<yaml-cpp/yaml.h>") == 1);
  CHECK(third_party_complaints("lib/io/a.cpp", "<opencv2/core.hpp>") == 0);
  CHECK(third_party_complaints("apps/a/main.cpp", "<opencv2/core.hpp>") == 1);
  for (const char* slow :
       {"<torch/torch.h>", "<ATen/ATen.h>", "<torch/nn/module.h>", "<torch/csrc/api/include/torch/nn.h>"}) {
    CHECK(third_party_complaints("lib/training/a.cpp", slow) == 1);
  }
  CHECK(third_party_complaints("lib/training/a.cpp", "<ATen/core/Tensor.h>") == 0);
  CHECK(third_party_complaints("kernels/a.cu", "<ATen/core/Tensor.h>") == 1);
}

TEST_CASE("spdlog and LibTorch never meet, not even through our headers", "[architecture]") {
  std::map<std::string, Source> tree;
  const auto add = [&](const Source& source) { return tree[source.path] = source; };
  add(including("lib/io/tensors.h", "<ATen/core/Tensor.h>"));
  add(including("lib/io/between.h", "\"io/tensors.h\""));
  add(including("lib/io/cycle.h", "\"io/cycle.h\""));
  CHECK(
      check_spdlog(make_source("lib/io/a.cpp", "#include <spdlog/spdlog.h>\n#include \"io/between.h\""), tree)
          .size() == 1);
  CHECK(check_spdlog(make_source("lib/io/a.cpp", "#include <spdlog/spdlog.h>\n#include <c10/core/Device.h>"),
                     tree)
            .size() == 1);
  CHECK(check_spdlog(make_source("lib/io/a.cpp", "#include <spdlog/spdlog.h>\n#include \"io/cycle.h\""), tree)
            .empty());
  CHECK(check_spdlog(make_source("lib/io/a.cpp", "#include \"io/between.h\""), tree).empty());
}

TEST_CASE("the licence line, the length and the names of a file", "[architecture]") {
  const std::string spdx = "SPDX-License-Identifier: Apache-2.0";
  CHECK(check_licence(make_source("a.h", "// " + spdx + "\n")).empty());
  CHECK(check_licence(make_source("a.sh", "#!/bin/sh\n# " + spdx + "\n")).empty());
  CHECK(check_licence(make_source("a.h", "#pragma once\n// " + spdx + "\n")).size() == 1);
  CHECK(check_licence(make_source("a.h", "")).size() == 1);
  CHECK(check_length(make_source("a.h", std::string(600, '\n'))).empty());
  CHECK(check_length(make_source("a.h", std::string(601, '\n'))).size() == 1);
  CHECK(check_namespaces(make_source("a.h", "  using namespace std;")).size() == 1);
  CHECK(check_namespaces(make_source("a.h", "using std::string;")).empty());
  CHECK(check_namespaces(make_source("a.cpp", "using namespace std;")).empty());
}
