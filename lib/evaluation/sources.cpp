// SPDX-License-Identifier: Apache-2.0
#include "evaluation/sources.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "data/loader.h"
#include "evaluation/inputs.h"
#include "evaluation/metric.h"
#include "evaluation/shared_rows.h"
#include "io/folder.h"
#include "io/image.h"
#include "io/log.h"
#include "io/memory.h"
#include "io/progress.h"
#include "io/sha256.h"
#include "io/tensor_bytes.h"
#include "networks/model_codec.h"
#include "parallel/agreement.h"
#include "parallel/together.h"
#include "samplers/model_data.h"
#include "samplers/pictures.h"
#include "samplers/sample.h"
#include "samplers/seeds.h"

namespace onestep {
namespace {

using io::Cached, io::has_array, io::NamedArrays;

/// Raised when what is in the cache would come out otherwise.
constexpr int kCacheVersion = 2;

std::string sampler_text(const SamplerConfig& sampler) {
  char text[160];
  const std::vector<double> sigmas = sigmas_of(sampler);
  std::snprintf(text, sizeof text, "%s, %zu %s from sigma %g", solver_name(solver_of(sampler)).c_str(),
                sigmas.size() - 1, sigmas.size() == 2 ? "step" : "steps", sigmas.front());
  return text;
}

/// Whether there is such an array of `n` classes, 0 to `classes` - 1.
bool has_classes(const NamedArrays& arrays, const std::string& name, int64_t n, int64_t classes) {
  return has_array(arrays, name, at::kLong, {n}) && arrays.at(name).min().item<int64_t>() >= 0 &&
         arrays.at(name).max().item<int64_t>() < classes;
}

ImageShape picture_shape(const Generator& generator) {
  return picture_shape(generator.codec, image_shape(generator.model));
}

/// What a rank draws of a set of images.
struct Drawn {
  at::Tensor images;            ///< uint8 [n, C, H, W]
  std::vector<int64_t> labels;  ///< empty without classes
  int64_t nfe = 0;
};

/// `watch` as the share of one rank would have it know of all ranks': they are about as fast.
StageWatch scaled(const StageWatch& watch, int64_t ranks, int64_t all) {
  if (!watch || ranks == 1) return watch;
  return [=](const std::string& stage, int64_t done, int64_t) {
    watch(stage, std::min(done * ranks, all), all);
  };
}

Drawn draw_share(const Generator& generator, int64_t first_seed, const Share& share,
                 const Collector& collector) {
  const EvaluateConfig& config = collector.config;
  const std::string stage = generator.name + ": images";
  const std::vector<int64_t>& among = generator.classes;
  const Communicator& ranks = collector.context.ranks;
  const StageWatch watch = scaled(collector.context.watch, ranks.size, images_to_draw(config));
  const auto [channels, height, width] = picture_shape(generator);
  Drawn drawn;
  std::vector<at::Tensor> images{at::empty({0, channels, height, width}, at::kByte)};
  if (watch) watch(stage, 0, share.count);  // the clock of its rate starts
  const Workers& workers = collector.context.workers;
  const int64_t some = 4 * workers.count() * config.batch;  // unquantised images that are held at once
  for (int64_t begin = 0; begin < share.count; begin += some) {
    SampleRequest request{
        .seeds = consecutive_seeds(first_seed + share.first + begin, std::min(some, share.count - begin)),
        .among = among};
    if (!among.empty() && config.classes == "balanced")
      for (const int64_t seed : request.seeds) request.classes.push_back(among[seed % among.size()]);
    // Asked at every network pass, so that a long solver can be stopped, too.
    const SampleWatch pass = [&](int64_t done) {
      if (watch) watch(stage, begin + done, share.count);
    };
    const SampleResult result =
        generate(generator.model, generator.sampler, request, config.batch, pass, workers);
    images.push_back(io::to_uint8(pictures_of(generator.codec, result.samples, workers)));
    drawn.labels.insert(drawn.labels.end(), result.classes.begin(), result.classes.end());
    drawn.nfe = result.nfe;
  }
  drawn.images = at::cat(images);
  return drawn;
}

/// Images of a generator as they are kept in the cache: with their classes, the calls that each took and the
/// time. All of them on rank 0, and its own on another.
NamedArrays draw(const Generator& generator, int64_t first_seed, const SharedRows& rows,
                 const Collector& collector) {
  const auto start = std::chrono::steady_clock::now();
  Drawn drawn;
  together(rows.ranks, [&] { drawn = draw_share(generator, first_seed, rows.mine, collector); });
  const auto on_first = [&](const at::Tensor& mine) {
    const at::Tensor all = gather_on_first(rows.ranks, mine, rows.counts);
    return all.defined() ? all : mine;
  };
  const at::Tensor images = on_first(drawn.images);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  NamedArrays arrays{{"images", images},
                     {"nfe", at::tensor(std::vector<int64_t>{drawn.nfe})},
                     {"seconds", at::tensor(std::vector<double>{seconds.count()}, at::kDouble)}};
  if (!generator.classes.empty()) arrays["labels"] = on_first(at::tensor(drawn.labels, at::kLong));
  return arrays;
}

/// Whether cached arrays are what `draw` makes.
bool are_drawn(const NamedArrays& arrays, const Generator& generator, const EvaluateConfig& config) {
  const auto [channels, height, width] = picture_shape(generator);
  const int64_t classes = label_dim(generator.model), n = images_to_draw(config);
  return has_array(arrays, "images", at::kByte, {n, channels, height, width}) &&
         has_array(arrays, "nfe", at::kLong, {1}) && has_array(arrays, "seconds", at::kDouble, {1}) &&
         (classes > 0 ? has_classes(arrays, "labels", n, classes) : !arrays.contains("labels"));
}

/// All that drawn images depend on: bits differ between devices and numbers of threads.
std::string description_of_images(const Generator& generator, int64_t first_seed,
                                  const Collector& collector) {
  return nlohmann::ordered_json{{"what", "images"},
                                {"version", kCacheVersion},
                                {"model", generator.sha256},
                                {"autoencoder", content_sha256(generator.codec)},
                                {"sampler", config::to_json(generator.sampler)},
                                {"first_seed", first_seed},
                                {"images", images_to_draw(collector.config)},
                                {"classes", collector.config.classes},
                                {"batch", collector.config.batch},
                                {"device", collector.context.device.str()},
                                {"threads", collector.context.workers.intra_op()}}
      .dump();
}

Generator generator_of(const ModelSubject& subject, at::Device device) {
  Denoiser model = load_denoiser(subject.path, device);
  std::vector<int64_t> classes = trained_classes(model, data_of_model(subject.path));
  SamplerConfig sampler = for_model(sampler_of(subject), model);
  return {.model = std::move(model),
          .codec = codec_of(subject, device),
          .sampler = std::move(sampler),
          .classes = std::move(classes),
          .name = subject.name,
          .source = subject.path,
          .sha256 = io::sha256_of_file(subject.path)};
}

/// Ranks may have read other files by the same names.
void agree_on(const FeatureSet& set, const Collector& collector) {
  agree(collector.context.ranks,
        {{set.source + " (sha256)", set.sha256},
         {"the feature network (sha256)", collector.extractor ? collector.extractor->network.sha256 : ""}});
}

FeatureSet draw_images(const Generator& generator, int64_t first_seed, const Collector& collector) {
  const Communicator& ranks = collector.context.ranks;
  together(ranks, [&] {  // before an hour of drawing, not after
    expect_images(*collector.extractor, generator.source, picture_shape(generator));
  });
  FeatureSet set{.source = generator.source, .sha256 = generator.sha256};
  set.sampler = sampler_text(generator.sampler);
  agree_on(set, collector);
  const SharedRows rows = shared_rows(images_to_draw(collector.config), collector.config.batch, ranks);
  const Cached drawn = cached_by_first(
      ranks, collector.context.cache, description_of_images(generator, first_seed, collector),
      [&](const NamedArrays& arrays) { return are_drawn(arrays, generator, collector.config); },
      [&] { return draw(generator, first_seed, rows, collector); }, io::log_warning);
  set.images_reused = drawn.hit;
  if (drawn.hit) {
    const auto [channels, height, width] = picture_shape(generator);
    const at::Tensor none = at::empty({0, channels, height, width}, at::kByte);
    const at::Tensor mine =
        scatter_from_first(ranks, ranks.rank == 0 ? drawn.arrays.at("images") : none, none, rows.counts);
    if (ranks.rank != 0) set.images = mine;
  }
  if (!set.images.defined()) set.images = drawn.arrays.at("images");
  if (ranks.rank != 0) return set;
  if (const auto labels = drawn.arrays.find("labels"); labels != drawn.arrays.end())
    set.labels = labels->second;
  set.nfe = drawn.arrays.at("nfe").item<int64_t>();
  set.image_seconds = drawn.arrays.at("seconds").item<double>();
  return set;
}

std::string pixels_sha256(const at::Tensor& images) {
  return io::sha256(io::bytes_of(images.contiguous()));
}

/// A data set, which every rank reads, as rank 0 has it, and as the others: their rows alone.
FeatureSet shared(FeatureSet set, const Collector& collector) {
  const Communicator& ranks = collector.context.ranks;
  agree_on(set, collector);
  if (ranks.rank == 0) return set;
  const Share mine = shared_rows(set.images.size(0), collector.config.batch, ranks).mine;
  set.images = set.images.narrow(0, mine.first, mine.count);
  return set;
}

FeatureSet whole_dataset(const DatasetConfig& config, const Collector& collector) {
  const Dataset data = load_dataset(config, collector.context.data_cache);
  FeatureSet set{.images = data.images,
                 .class_names = data.class_names,
                 .source = data.name,
                 .passed_over = data.passed_over,
                 .sha256 = pixels_sha256(data.images)};
  if (!data.class_names.empty()) set.labels = data.labels;  // without names there are no classes
  return set;
}

FeatureSet chosen_images(const DatasetConfig& data, const Collector& collector) {
  const EvaluateConfig& config = collector.config;
  FeatureSet set = whole_dataset(data, collector);
  const int64_t all = set.images.size(0), n = std::min(config.images.value_or(all), all);
  set.source += ", " + io::format_count(n) + " of " + io::format_count(all) + " images";
  if (n == all) return set;
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < n; ++i)
    chosen.push_back(shuffled_index(static_cast<uint64_t>(config.seed), 0, i, all));
  const at::Tensor rows = at::tensor(chosen);
  set.images = set.images.index_select(0, rows);
  if (set.labels.defined()) set.labels = set.labels.index_select(0, rows);
  return set;
}

/// Images chosen from a set: all of them on rank 0, its rows on another.
FeatureSet shared_images(const DatasetConfig& data, const Collector& collector) {
  FeatureSet set;
  one_of_a_machine_first(collector.context.ranks, [&] { set = chosen_images(data, collector); });
  return shared(std::move(set), collector);
}

/// In the place of a set's images what an autoencoder makes of them.
void reconstruct(FeatureSet& set, const Codec& codec, const Collector& collector) {
  const Communicator& ranks = collector.context.ranks;
  const SharedRows rows = shared_rows(broadcast(ranks, set.images.size(0)), collector.config.batch, ranks);
  at::Tensor mine = set.images;
  together(ranks, [&] {
    mine = io::to_uint8(
        reconstructions_of(codec, mine.narrow(0, 0, rows.mine.count), collector.context.workers));
  });
  const at::Tensor all = gather_on_first(ranks, mine, rows.counts);
  set.images = all.defined() ? all : mine;
  set.source += ", through an autoencoder";
  set.sha256 = io::sha256(set.sha256 + " " + content_sha256(codec));
}

/// What a set's arrays are called in the cache; those that are undefined are left out.
constexpr std::pair<const char*, at::Tensor FeatureSet::*> kFeatureArrays[]{
    {"features", &FeatureSet::features},
    {"spatial", &FeatureSet::spatial},
    {"logits", &FeatureSet::logits},
    {"predicted", &FeatureSet::predicted}};

/// Whether cached arrays are what extract_features makes of the set's images. The network itself tells, by
/// what it makes of two of them: which arrays there are, their dtypes and the widths of their rows.
bool are_features(const NamedArrays& arrays, const FeatureSet& set, const Collector& collector) {
  const int64_t n = set.images.size(0);
  FeatureSet two{.images = set.images.slice(0, 0, 2), .source = set.source};
  extract_features(two, *collector.extractor, {.spatial = collector.parts.spatial, .logits = true}, 2, "");
  if (two.predicted.defined() && !has_classes(arrays, "predicted", n, two.logits.size(1))) return false;
  if (!collector.parts.logits) two.logits.reset();
  return std::ranges::all_of(kFeatureArrays, [&](const auto& array) {
    const auto& [name, part] = array;
    if (!(two.*part).defined()) return !arrays.contains(name);
    std::vector<int64_t> shape = (two.*part).sizes().vec();
    shape.front() = n;
    return has_array(arrays, name, (two.*part).scalar_type(), shape);
  });
}

/// Features of a set's images: of all on rank 0, to which the other ranks send those of theirs.
NamedArrays make_features(const FeatureSet& set, const SharedRows& rows, const std::string& stage,
                          const Collector& collector) {
  const Communicator& ranks = rows.ranks;
  FeatureSet mine{.images = ranks.rank == 0 ? set.images.narrow(0, 0, rows.mine.count) : set.images,
                  .source = set.source};
  together(ranks, [&] {
    if (rows.mine.count > 0)
      extract_features(mine, *collector.extractor, collector.parts, collector.config.batch, stage,
                       scaled(collector.context.watch, ranks.size, rows.n), collector.context.workers);
  });
  NamedArrays arrays;
  for (const auto& [name, part] : kFeatureArrays) {
    if (!(mine.*part).defined()) continue;  // none in this feature space, or no rows here
    const at::Tensor all = gather_on_first(ranks, mine.*part, rows.counts);
    if (ranks.rank == 0) arrays[name] = all;
  }
  return arrays;
}

/// Features of the images that a set holds, through the cache; on rank 0 alone.
void fill_features(FeatureSet& set, const std::string& stage, const Collector& collector) {
  const FeatureExtractor& extractor = *collector.extractor;
  const at::Tensor& images = set.images;
  const ImageShape shape{images.size(1), images.size(2), images.size(3)};
  const Communicator& ranks = collector.context.ranks;
  const int64_t n = broadcast(ranks, images.size(0));
  together(ranks, [&] {
    expect_images(extractor, set.source, shape);
    if (n < 2)
      throw io::FileError(set.source, "a covariance needs at least 2 images, got " + std::to_string(n));
    if (ranks.rank != 0) return;
    const int64_t d = feature_width(extractor, shape);
    io::require_memory(set.source + ": " + io::format_count(n) + " rows of " + io::format_count(d) +
                           " features and their covariance",
                       4.0 * static_cast<double>(n) * static_cast<double>(d) + bytes_of_fit(n, d),
                       "take fewer images, or a feature network with fewer features");
  });
  const nlohmann::ordered_json description{{"what", "features"},
                                           {"version", kCacheVersion},
                                           {"network", {extractor.kind, extractor.network.sha256}},
                                           {"features", config::to_json(collector.config.features)},
                                           {"pixels", ranks.rank == 0 ? pixels_sha256(set.images) : ""},
                                           {"shape", set.images.sizes().vec()},
                                           {"spatial", collector.parts.spatial},
                                           {"logits", collector.parts.logits},
                                           {"batch", collector.config.batch},
                                           {"device", collector.context.device.str()},
                                           {"threads", collector.context.workers.intra_op()}};
  const SharedRows rows = shared_rows(n, collector.config.batch, ranks);
  const Cached kept = cached_by_first(
      ranks, collector.context.cache, description.dump(),
      [&](const NamedArrays& arrays) { return are_features(arrays, set, collector); },
      [&] {
        const auto start = std::chrono::steady_clock::now();
        NamedArrays arrays = make_features(set, rows, stage, collector);
        set.feature_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        return arrays;
      },
      io::log_warning);
  for (const auto& [name, part] : kFeatureArrays)
    if (const auto found = kept.arrays.find(name); found != kept.arrays.end()) set.*part = found->second;
  set.features_reused = kept.hit;
}

}  // namespace

std::vector<KeptModel> kept_models(const std::filesystem::path& run) {
  std::vector<KeptModel> models;
  const std::filesystem::path folder = run / "models";
  const auto entries =
      io::path_exists(folder) ? io::entries_of(folder) : std::vector<std::filesystem::path>{};
  for (const std::filesystem::path& path : entries) {
    const std::string stem = path.stem().string();
    const bool number =
        !stem.empty() && stem.size() < 19 && stem.find_first_not_of("0123456789") == std::string::npos;
    if (number && path.extension() == ".safetensors") models.push_back({std::stoll(stem), path});
  }
  if (models.empty())
    throw io::FileError(folder, "holds no models of a run; train with run.model_images to keep some");
  std::ranges::sort(models, {}, &KeptModel::nimg);
  return models;
}

std::vector<KeptModel> kept_models(const std::filesystem::path& run, const Communicator& ranks) {
  std::vector<KeptModel> models;
  together(ranks, [&] {
    if (ranks.rank == 0) models = kept_models(run);
  });
  nlohmann::json list = nlohmann::json::array();
  for (const KeptModel& model : models) list.push_back({model.nimg, model.path.string()});
  if (ranks.size == 1) return models;
  models.clear();
  for (const auto& model : nlohmann::json::parse(gather_texts(ranks, list.dump()).front()))
    models.push_back({model[0], model[1].get<std::string>()});
  return models;
}

ModelSubject trend_subject(const KeptModel& kept) {
  return {.name = "after " + std::to_string(kept.nimg), .path = kept.path.string(), .sampler = {}};
}

Codec codec_of(const ModelSubject& subject, at::Device device) {
  return subject.decoder.empty() ? codec_of_model(subject.path, device) : load_codec(subject.decoder, device);
}

SamplerConfig sampler_of(const ModelSubject& subject) {
  try {
    return with_changes(sampler_of_model(subject.path), subject.sampler);
  } catch (const config::ConfigError& error) {
    throw config::ConfigError("subject '" + subject.name + "': sampler: " + error.what());
  }
}

Collector make_collector(const EvaluateConfig& config, const EvaluationContext& context) {
  Collector collector{.config = config, .context = context};
  if (has_network(config.features)) collector.extractor = open_extractor(config.features, context.device);
  const std::vector<std::string> wanted = wanted_metrics(config.metrics);
  collector.parts = {.spatial = std::ranges::find(wanted, "sfid") != wanted.end(),
                     .logits = std::ranges::find(wanted, "is") != wanted.end()};
  return collector;
}

FeatureSet collect(const SubjectConfig& subject, int64_t first_seed, const Collector& collector) {
  const Communicator& ranks = collector.context.ranks;
  if (const auto* model = std::get_if<ModelSubject>(&subject)) {
    std::optional<Generator> generator;
    together(ranks, [&] { generator.emplace(generator_of(*model, collector.context.device)); });
    return collect(*generator, first_seed, collector);
  }
  FeatureSet set;
  if (const auto* file = std::get_if<FeaturesSubject>(&subject)) {
    together(ranks, [&] { set = features_from_file(file->path); });
    return set;
  }
  const auto& images = std::get<DatasetSubject>(subject);
  if (!images.autoencoder.empty()) {
    Reconstruction reconstruction{.codec = {}, .name = images.name, .data = images.data};
    together(ranks, [&] { reconstruction.codec = load_codec(images.autoencoder, collector.context.device); });
    return collect(reconstruction, collector);
  }
  set = shared_images(images.data, collector);
  fill_features(set, images.name + ": features", collector);
  return set;
}

FeatureSet collect(const Reconstruction& reconstruction, const Collector& collector) {
  FeatureSet set = shared_images(reconstruction.data, collector);
  reconstruct(set, reconstruction.codec, collector);
  fill_features(set, reconstruction.name + ": features", collector);
  return set;
}

FeatureSet collect(const Generator& generator, int64_t first_seed, const Collector& collector) {
  FeatureSet set = draw_images(generator, first_seed, collector);
  fill_features(set, generator.name + ": features", collector);
  return set;
}

FeatureSet collect(const ReferenceConfig& reference, const Collector& collector) {
  const Communicator& ranks = collector.context.ranks;
  FeatureSet set;
  if (const auto* file = std::get_if<FeaturesReference>(&reference)) {
    together(ranks, [&] { set = features_from_file(file->path); });
    return set;
  }
  const DatasetConfig& data = std::get<DatasetReference>(reference).data;
  one_of_a_machine_first(ranks, [&] { set = whole_dataset(data, collector); });
  set = shared(std::move(set), collector);
  fill_features(set, "reference: features", collector);
  return set;
}

}  // namespace onestep
