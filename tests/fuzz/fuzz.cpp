// SPDX-License-Identifier: Apache-2.0
#include "fuzz/fuzz.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <unistd.h>

#include "config/node.h"
#include "io/file_error.h"

namespace onestep::fuzz {
namespace {

namespace fs = std::filesystem;

void put(const fs::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// Removed at the end; what a finding leaves in memory is one input.
struct Scratch {
  fs::path folder = fs::path("/dev/shm") / ("onestep-fuzz-" + std::to_string(::getpid()));
  Scratch() { fs::create_directories(folder); }
  ~Scratch() {
    std::error_code error;
    fs::remove_all(folder, error);
  }
};

}  // namespace

fs::path as_file(std::string_view bytes, const std::string& suffix) {
  static const Scratch scratch;
  const fs::path path = scratch.folder / ("input" + suffix);
  put(path, bytes);
  return path;
}

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> golden(const std::string& folder, const std::string& suffix) {
  std::vector<std::string> all;
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(ONESTEP_GOLDEN) / folder))
    if (entry.path().extension() == suffix) all.push_back(contents(entry.path()));
  return all;
}

}  // namespace onestep::fuzz

/// `TARGET --seeds DIR` writes the seeds there and ends.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  namespace fuzz = onestep::fuzz;
  if (*argc != 3 || std::string_view((*argv)[1]) != "--seeds") return 0;
  int number = 0;
  for (const std::string& seed : fuzz::seeds())
    fuzz::put(std::filesystem::path((*argv)[2]) / ("seed" + std::to_string(number++)), seed);
  std::exit(0);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    onestep::fuzz::read({reinterpret_cast<const char*>(data), size});
  } catch (const onestep::io::FileError&) {
  } catch (const onestep::config::ConfigError&) {
  }
  return 0;
}
