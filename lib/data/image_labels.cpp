// SPDX-License-Identifier: Apache-2.0
#include "data/image_labels.h"

#include <algorithm>

#include <ATen/ops/full.h>
#include <c10/util/StringUtil.h>
#include <nlohmann/json.hpp>

#include "io/file_error.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int64_t kMaxClasses = 1'000'000;
constexpr const char* kRange = "; labels are 0 to 999999";
constexpr int64_t kNone = -1;

/// The whole of it, with a list or null under "labels".
json parse_json(std::string_view text, const fs::path& origin) {
  json whole;
  try {
    whole = json::parse(text);
  } catch (const json::parse_error& error) {
    throw io::FileError(origin, c10::str("is no JSON: damaged at byte ", error.byte));
  } catch (const json::exception&) {  // out_of_range, all else that the parser throws
    throw io::FileError(origin, "holds a number that is too large");
  }
  if (!whole.is_object() || !whole.contains("labels") ||
      !(whole["labels"].is_array() || whole["labels"].is_null()))
    throw io::FileError(origin, R"(must be {"labels": [[name, class], …]} or {"labels": null})");
  return whole;
}

/// Those under "class_names", if there are any: one a class.
std::vector<std::string> class_names(const json& whole, int64_t classes, const fs::path& origin) {
  const auto found = whole.find("class_names");
  if (found == whole.end() || found->is_null()) return {};
  const bool strings = found->is_array() && found->size() == static_cast<size_t>(classes) &&
                       std::ranges::all_of(*found, [](const json& name) { return name.is_string(); });
  if (!strings)
    throw io::FileError(origin, c10::str("'class_names' must be ", classes, " strings, one a class"));
  return found->get<std::vector<std::string>>();
}

/// Where `name` stands among the sorted names.
int64_t place_of(const std::string& name, const std::vector<std::string>& names, const fs::path& origin) {
  const auto found = std::lower_bound(names.begin(), names.end(), name);
  if (found == names.end() || *found != name)
    throw io::FileError(origin, "labels '" + name + "', and there is no such image");
  return found - names.begin();
}

}  // namespace

ImageLabels checked_labels(const at::Tensor& labels, int64_t count, const fs::path& origin,
                           const std::string& name) {
  if (!at::isIntegralType(labels.scalar_type(), /*includeBool=*/false) ||
      labels.sizes() != at::IntArrayRef({count}))
    throw io::FileError(origin, c10::str(name, " must be integers [", count, "], got ", labels.scalar_type(),
                                         " ", labels.sizes()));
  const at::Tensor values = labels.to(at::kLong).contiguous();
  const auto lowest = values.min().item<int64_t>(), highest = values.max().item<int64_t>();
  const auto refuse = [&](int64_t label, const at::Tensor& place) {
    throw io::FileError(origin, c10::str(name, " holds ", label, " for image ", place.item<int64_t>(),
                                         ", counted from 0", kRange));
  };
  if (lowest < 0) refuse(lowest, values.argmin());
  if (highest >= kMaxClasses) refuse(highest, values.argmax());
  return {.values = values, .classes = highest + 1};
}

std::optional<ImageLabels> parse_labels(std::string_view text, const fs::path& origin,
                                        const std::vector<std::string>& names) {
  const json whole = parse_json(text, origin);
  const json& pairs = whole["labels"];
  if (pairs.is_null()) return {};
  const auto count = static_cast<int64_t>(names.size());
  const at::Tensor values = at::full({count}, kNone, at::kLong);
  int64_t* value = values.mutable_data_ptr<int64_t>();
  for (const json& pair : pairs) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_number_integer())
      throw io::FileError(origin, "holds a label that is no pair of a file's name and an integer");
    const auto& name = pair[0].get_ref<const std::string&>();
    if (!pair[1].is_number_unsigned() || pair[1].get<uint64_t>() >= uint64_t{kMaxClasses})
      throw io::FileError(origin, "gives '" + name + "' the label " + pair[1].dump() + kRange);
    int64_t& label = value[place_of(name, names, origin)];
    if (label != kNone) throw io::FileError(origin, "labels '" + name + "' twice");
    label = pair[1].get<int64_t>();
  }
  const int64_t* missing = std::find(value, value + count, kNone);
  if (missing != value + count)
    throw io::FileError(origin, "has no label for '" + names[static_cast<size_t>(missing - value)] + "'");
  ImageLabels labels = checked_labels(values, count, origin, "'labels'");
  labels.names = class_names(whole, labels.classes, origin);
  return labels;
}

}  // namespace onestep
