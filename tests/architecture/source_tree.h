// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

/// One text file of the repository.
struct Source {
  std::string path;                ///< relative to the root: "lib/noise/sigma_grid.h"
  std::vector<std::string> lines;  ///< without line ends
  std::vector<std::string>
      includes;  ///< as written, with their first delimiter: "\"noise/purpose.h", "<vector>"
};

Source make_source(std::string path, const std::string& text);

/// Path -> file, for every C++, CUDA, CMake, shell, Python and YAML file below `folders` of `root`.
std::map<std::string, Source> read_tree(const std::filesystem::path& root,
                                        const std::vector<std::string>& folders);

/// The folders of lib/ in their order, from the one foreach of lib/CMakeLists.txt.
std::vector<std::string> layer_order(const Source& lib_cmake);

/// "lib/noise/purpose.h" -> "noise"; "kernels/philox.h" -> "kernels"; "apps/train/main.cpp" -> "apps".
std::string layer_of(const std::string& path);
