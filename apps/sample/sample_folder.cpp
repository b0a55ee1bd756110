// SPDX-License-Identifier: Apache-2.0
#include "apps/sample/sample_folder.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "config/node.h"
#include "io/file.h"
#include "io/file_kind.h"
#include "io/folder.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using config::ConfigError;

constexpr int64_t kInSubfolder = 1000;

/// What makes an image beside its seed and class, by name. Files count by content.
std::map<std::string, Json> identity_of(const Json& settings) {
  std::map<std::string, Json> identity;
  for (const char* file : {"model", "guide", "latents", "decoder"})
    if (const auto found = settings.find(file); found != settings.end() && found->is_object())
      identity[file] = found->contains("sha256") ? (*found)["sha256"] : Json();
  for (const char* key : {"sampler", "precision"})
    if (const auto found = settings.find(key); found != settings.end()) identity[key] = *found;
  return identity;
}

/// The name of something in which two differ; "" where they are the same.
std::string difference(const std::map<std::string, Json>& a, const std::map<std::string, Json>& b) {
  for (const char* key : {"model", "guide", "latents", "decoder", "sampler", "precision"}) {
    const auto x = a.find(key), y = b.find(key);
    if ((x == a.end()) != (y == b.end()) || (x != a.end() && x->second != y->second)) return key;
  }
  return "";
}

std::set<std::string> images_below(const fs::path& folder) {
  std::set<std::string> names;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (io::has_image_suffix(it->path())) names.insert(it->path().lexically_relative(folder).string());
  return names;
}

[[noreturn]] void refuse(const fs::path& folder, const std::string& what) {
  throw ConfigError("--out: '" + folder.string() + "' " + what + ": choose another folder, or empty it");
}

/// samples.json; null where there is none, or none that can be read.
Json list_in(const fs::path& folder) {
  if (!io::path_exists(folder / kSampleList)) return nullptr;
  Json list = Json::parse(io::read_file(folder / kSampleList), nullptr, /*allow_exceptions=*/false);
  return list.is_object() ? list : nullptr;
}

}  // namespace

std::string sample_name(int64_t seed, bool subdirs) {
  char name[64];
  const auto number = static_cast<long long>(seed), first = number - number % kInSubfolder;
  if (subdirs) {
    std::snprintf(name, sizeof name, "%06lld/%06lld.png", first, number);
  } else {
    std::snprintf(name, sizeof name, "%06lld.png", number);
  }
  return name;
}

std::map<int64_t, std::optional<int64_t>> samples_in(const fs::path& folder, bool subdirs) {
  const Json list = list_in(folder);
  const Json seeds = list.is_null() ? Json() : list.value("seeds", Json());
  const Json classes = list.is_null() ? Json() : list.value("classes", Json());
  std::map<int64_t, std::optional<int64_t>> samples;
  for (size_t i = 0; i < seeds.size(); ++i) {
    if (!seeds[i].is_number_integer() || !io::path_exists(folder / sample_name(seeds[i], subdirs))) continue;
    const bool labelled = i < classes.size() && classes[i].is_number_integer();
    samples[seeds[i]] = labelled ? std::optional<int64_t>(classes[i]) : std::nullopt;
  }
  return samples;
}

void require_same_run(const fs::path& folder, const Json& settings, bool subdirs) {
  if (!io::path_exists(folder)) return;
  const auto samples = samples_in(folder, subdirs);
  const std::string other =
      samples.empty() ? "" : difference(identity_of(list_in(folder)), identity_of(settings));
  if (!other.empty()) refuse(folder, "holds samples of another run (another " + other + ")");
  std::set<std::string> images = images_below(folder);
  for (const auto& [seed, label] : samples) images.erase(sample_name(seed, subdirs));
  if (!images.empty()) refuse(folder, "holds '" + *images.begin() + "', which would be taken for a sample");
}

void refuse_among_samples(const std::string& option, const fs::path& picture,
                          const std::optional<fs::path>& folder) {
  std::error_code error;
  const fs::path place = fs::weakly_canonical(fs::absolute(picture), error).parent_path();
  const auto refuse_in = [&](const std::string& where) {
    throw ConfigError(option + ": '" + picture.string() + "' would lie among the samples of '" + where +
                      "', and be taken for one: choose another place");
  };
  if (folder) {
    const std::string above = (fs::weakly_canonical(fs::absolute(*folder), error) / "").string();
    if ((place / "").string().starts_with(above)) refuse_in(folder->string());
  }
  if (io::path_exists(place / kSampleList)) refuse_in(place.string());
}

}  // namespace onestep
