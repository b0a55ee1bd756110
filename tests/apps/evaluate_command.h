// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include <nlohmann/json.hpp>

#include "command.h"
#include "evaluation/toys.h"
#include "io/safetensors.h"

/// onestep-evaluate as its tests call it.
namespace onestep::test {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// Without a cache: the user's own is none of a test's business.
inline Said evaluate_app(const std::string& arguments, const std::string& cache = "--no-cache") {
  return run_command("onestep-evaluate " + arguments + " " + cache);
}

inline fs::path write_features(const TemporaryFolder& folder, const std::string& name,
                               const at::Tensor& array) {
  io::write_safetensors(folder / name, {{"features", array}});
  return folder / name;
}

inline std::string pair(const fs::path& generated, const fs::path& reference, const fs::path& out) {
  return "--generated-features " + generated.string() + " --reference-features " + reference.string() +
         " --out " + out.string();
}

inline Json report_in(const fs::path& folder) {
  return Json::parse(read_bytes(folder / "report.json"));
}

/// The images of toy_dataset as idx files that are known by their names.
inline std::string named_images(const TemporaryFolder& folder, int64_t n) {
  toy_dataset(folder, n);
  const std::string set = (folder / ("set" + std::to_string(n))).string();
  fs::copy_file(set + "-images", set + "-images-idx3-ubyte");
  return set + "-images-idx3-ubyte";
}

/// The file with `from` in its header replaced by as many letters, as one from before the header had a
/// checksum.
inline void change_header(const fs::path& file, const std::string& from, const std::string& to) {
  std::string bytes = read_bytes(file);
  REQUIRE(from.size() == to.size());
  for (const std::string key : {"onestep.format", "onestep.crc32.header"})
    if (const size_t at = bytes.find(key); at != std::string::npos) bytes.replace(at, 7, "foreign");
  for (size_t at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at))
    bytes.replace(at, from.size(), to);
  write_bytes(file, bytes);
}

}  // namespace onestep::test
