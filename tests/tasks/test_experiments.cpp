// SPDX-License-Identifier: Apache-2.0
// The experiments of configs/, a folder a data set: each can be planned, costs what its head says, and
// carries its paper's numbers. Teachers and data are stand-ins of the right shapes; of the former nothing is
// read but the header.
#include <cmath>
#include <fstream>
#include <regex>

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <c10/util/StringUtil.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "data/first_image.h"
#include "io/image.h"
#include "io/zip_writer.h"
#include "networks/cost.h"
#include "paper_facts.h"
#include "tasks/train_config.h"
#include "temporary_folder.h"
#include "training/cost_text.h"

using namespace onestep;
using test::Facts;
using test::with;
namespace fs = std::filesystem;

namespace {

const fs::path kConfigs = fs::path(ONESTEP_SOURCE) / "configs";

/// Folders with a common part: its data set, the network of its teacher, and what the design says of that.
struct Set {
  std::string folder, network, teacher, data;
  int64_t size, classes;  ///< of the data's labels; 0: it has none
  int64_t parameters;
  double gmac;  ///< of a pass; 0: nothing to compare with
};
// DDPM++ at 32 x 32: 4.57 + 1.93 + 0.38 in the encoder, 0.78 + 2.85 + 10.68 in the decoder, layer by layer.
const std::vector<Set> kSets{
    {"cifar10_cond", "cifar10_cond_ddpmpp", "edm-cifar10-32x32-cond-vp", "cifar10-32x32.zip", 32, 10,
     55'735'299, 21.19},
    {"cifar10_uncond", "cifar10_uncond_ddpmpp", "edm-cifar10-32x32-uncond-vp", "cifar10-32x32.zip", 32, 10,
     55'733'891, 21.19},
    {"imagenet64", "imagenet64_adm", "edm-imagenet-64x64-cond-adm", "imagenet-64x64.zip", 64, 1000,
     295'899'267, 0},
    {"ffhq64", "ffhq64_ddpmpp", "edm-ffhq-64x64-uncond-vp", "ffhq-64x64.zip", 64, 0, 61'805'571, 0},
    {"afhqv2_64", "afhqv2_64_ddpmpp", "edm-afhqv2-64x64-uncond-vp", "afhqv2-64x64.zip", 64, 3, 61'805'571, 0},
    {"imagenet256", "dit_xl_2", "SiT-XL-2-256x256", "imagenet256-latents.safetensors", 32, 1000, 674'834'720,
     118.6}};

/// Forward passes of one network that an image of a step costs: G 1, and 2 to learn; D_p and D_q where they
/// are compared, and as much again for the expanded branch, which goes back through both; the fake score 3;
/// half a pass for each set of images that the discriminator sees anew, three halves where its encoder learns
/// from it; half a pass back through it for the adversarial term. What is the student's own counts 1 in 5.
const std::map<std::string, double> kPasses{
    {"teacher", 3},
    {"sid", 1 + 2 + 2 * 2 + 3},
    {"sida", 1 + 2 + 2 * 2 + 3 + 1.5 + 0.5},
    {"sid2a", 1 + 2 + 2 * 2 + 3 + 1.5 + 0.5},
    {"uni_instruct", 1 + 2 + 2 * 2 + 3 + 0.5},
    {"dmd2", 1 + 0.2 * (2 + 2) + 3 + 0.5 + 0.8 * 0.5 + 0.2 * 0.5},
    {"f_distill", 1 + 0.2 * (2 + 2) + 0.8 * 3 + 0.8 * (0.5 + 0.5) + 0.2 * 0.5},
    // Guidance: two passes of whoever is guided. latent.md counts 18 for SiD, with a student's image for the
    // fake score apart from its own; ours learn from the same.
    {"imagenet256/sid", 1 + 2 + 2 * (2 + 2) + 2 * 3},
    {"imagenet256/f_distill", 1 + 0.1 * (2 + 3) + 0.9 * 3 + 0.9 * (0.5 + 0.5) + 0.1 * 0.5}};

struct Experiment {
  const Set* set;
  std::string name;  ///< "cifar10_cond/sid"
  fs::path file;
  std::string method() const { return file.stem().string(); }
};

/// Every file of every folder that has a common.yaml, but for that.
std::vector<Experiment> experiments() {
  std::vector<Experiment> found;
  for (const auto& folder : fs::directory_iterator(kConfigs)) {
    if (!fs::exists(folder.path() / "common.yaml")) continue;
    const auto set = std::ranges::find(kSets, folder.path().filename().string(), &Set::folder);
    REQUIRE(set != kSets.end());
    for (const auto& entry : fs::directory_iterator(folder.path())) {
      const fs::path& file = entry.path();
      if (file.extension() != ".yaml" || file.stem() == "common") continue;
      found.push_back({&*set, set->folder + "/" + file.stem().string(), file});
    }
  }
  std::ranges::sort(found, {}, &Experiment::name);
  return found;
}

DenoiserConfig denoiser_of(const std::string& network) {
  const config::Node file = config::load(kConfigs / "networks" / (network + ".yaml"));
  DenoiserConfig denoiser = config::read<DenoiserConfig>(file);
  if (network.starts_with("dit"))
    denoiser.preconditioning = {.rule = "flow_to_data", .sigma_data = 1};
  else
    denoiser.preconditioning.sigma_data = 0.5;
  return denoiser;
}

/// A model file of the right header and length without a byte of data on the disk.
void write_hollow_model(const fs::path& path, const DenoiserConfig& config) {
  const io::TensorFile file = model_file(make_denoiser(config, 0, at::kMeta));
  nlohmann::ordered_json header{{"__metadata__", file.metadata}};
  int64_t end = 0;
  for (const auto& [name, tensor] : file.tensors) {
    const int64_t begin = end;
    end += 4 * tensor.numel();
    header[name] = {{"dtype", "F32"}, {"shape", tensor.sizes().vec()}, {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const auto length = static_cast<uint64_t>(text.size());
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&length), sizeof length);
  out << text;
  out.close();
  fs::resize_file(path, 8 + text.size() + static_cast<uint64_t>(end));
}

/// One image, with the last class where there are any.
void write_stand_in_data(const fs::path& path, const Set& set) {
  if (path.extension() == ".safetensors") {
    io::write_safetensors(path, {{"latents", at::zeros({1, 4, set.size, set.size})},
                                 {"labels", at::full({1}, set.classes - 1, at::kLong)}});
    return;
  }
  const std::string name = "00000/img00000000.png";
  nlohmann::json rows;
  if (set.classes > 0) rows = nlohmann::json::array({nlohmann::json::array({name, set.classes - 1})});
  const nlohmann::json labels = nlohmann::json::object({{"labels", rows}});
  io::write_zip(path, {{name, io::encode_png(at::zeros({3, set.size, set.size}, at::kByte))},
                       {"dataset.json", labels.dump()}});
}

/// The files that the experiments of a set name, under the same names in a folder of the test's own.
struct StandIns {
  TemporaryFolder folder;
  std::string teacher, data;
  explicit StandIns(const Set& set)
      : teacher((folder / (set.teacher + ".safetensors")).string()), data((folder / set.data).string()) {
    write_hollow_model(teacher, denoiser_of(set.network));
    write_stand_in_data(data, set);
  }
  /// A configuration that reads them, after a look at what it would have read.
  TrainConfig read(const Experiment& experiment) const {
    std::vector<std::string> overrides;
    const config::Node file = config::load(experiment.file);
    const auto stand_in = [&](const std::string& key, const std::string& place, const std::string& folder,
                              const std::string& own) {
      CHECK(place == folder + fs::path(own).filename().string());
      overrides.push_back(key + "=" + own);
    };
    if (const std::string path = test::text_of(file, "data.path"); !path.empty())
      stand_in("data.path", path, "datasets/", data);
    else
      overrides.push_back("data.files=[" + data + "]");
    if (experiment.method() != "teacher")
      stand_in("task.teacher", test::text_of(file, "task.teacher"), "models/", teacher);
    if (const std::string from = test::text_of(file, "task.student.from"); !from.empty()) {
      CHECK(from == "runs/" + experiment.set->folder + "/sid/model.safetensors");
      overrides.push_back("task.student.from=" + teacher);
    }
    return config::read<TrainConfig>(config::load(experiment.file, overrides));
  }
};

/// What onestep-train --dry-run tells.
TaskCost cost_of(const TrainConfig& config) {
  const Dataset data = outline_of_dataset(config.data);
  return make_task(config.task, {.run = config.run, .device = at::kMeta, .data = data, .provenance = {}})
      .cost;
}

std::string first_lines(const fs::path& file) {
  const std::string text = read_bytes(file);
  return text.substr(0, text.find("\nrun:"));
}

// --- facts ---

/// A file and those that it is laid over.
std::vector<fs::path> chain_of(const fs::path& file) {
  std::vector<fs::path> chain{file};
  const std::string text = read_bytes(file);
  std::smatch line;
  if (!std::regex_search(text, line, std::regex("\nbase: (.*)\n"))) return chain;
  const std::string bases = line[1];
  const std::regex name("[^\\[\\], ]+\\.yaml");
  for (auto at = std::sregex_iterator(bases.begin(), bases.end(), name); at != std::sregex_iterator(); ++at)
    for (const fs::path& below : chain_of(file.parent_path() / at->str())) chain.push_back(below);
  return chain;
}

std::vector<std::string> faults(const Experiment& experiment, const Facts& facts) {
  std::set<std::string> excuses;
  for (const fs::path& file : chain_of(experiment.file)) excuses.merge(test::excused(file));
  return test::faults(config::load(experiment.file), excuses, facts);
}

/// What SiD's, SiDA's and SiD²A's scripts, and Uni-Instruct's, have for a data set (mingyuanzhou/SiD,
/// branches main and sida; a-little-hoof/Uni_Instruct); SiD's length and α are in `sid`.
Facts on(const std::string& folder) {
  const auto family = [](const char* batch, const char* rate, const char* dropout, const char* augmentation,
                         const char* half_life, bool half) {
    Facts facts{{"run.batch", batch},
                {"task.fake.dropout", dropout},
                {"task.fake.augmentation", augmentation},
                {"task.student.ema.half_life_kimg", half_life}};
    test::set_optimisers(facts, {"student", "fake"},
                         {{"learning_rate.peak", rate}, {"eps", half ? "1e-6" : "1e-8"}});
    if (half) facts["run.precision"] = "float16";
    return facts;
  };
  if (folder == "imagenet64") return family("8192", "4e-6", "0.1", "0", "2000", true);
  if (folder == "ffhq64") return family("512", "1e-5", "0.05", "0.15", "500", true);
  if (folder == "afhqv2_64") return family("512", "5e-6", "0.05", "0.15", "500", true);
  return family("256", "1e-5", "0.13", "0.12", "500", false);
}

Facts sid_of(const std::string& folder) {
  const std::map<std::string, Facts> own{{"cifar10_cond", {{"run.images", "800e6"}}},
                                         {"imagenet64", {{"run.images", "1000e6"}}},
                                         {"ffhq64", {{"task.student.optimizer.beta1", "0.9"}}},
                                         {"afhqv2_64", {{"task.loss.alpha", "1"}}}};
  const auto found = own.find(folder);
  return found == own.end() ? Facts() : found->second;
}

/// EDM's README; its train.py where that leaves a number out.
Facts teacher_of(const std::string& folder) {
  Facts facts{{"task.sigma.kind", "lognormal"},
              {"task.sigma.mean", "-1.2"},
              {"task.sigma.std", "1.2"},
              {"task.weighting", "edm"},
              {"task.preconditioning.rule", "edm"},
              {"task.preconditioning.sigma_data", "0.5"},
              {"task.optimizer.beta1", "0.9"},
              {"task.optimizer.beta2", "0.999"},
              {"task.optimizer.eps", "1e-8"},
              {"task.optimizer.learning_rate.warmup_kimg", "10000"},
              {"task.ema.ramp_up_ratio", "0.05"}};
  const auto options = [&](const char* images, const char* batch, const char* rate, const char* half_life,
                           const char* dropout, const char* augmentation) {
    return with(facts, {{"run.images", images},
                        {"run.batch", batch},
                        {"task.optimizer.learning_rate.peak", rate},
                        {"task.ema.half_life_kimg", half_life},
                        {"task.network.dropout", dropout},
                        {"task.augmentation", augmentation}});
  };
  if (folder == "imagenet64")
    return with(options("2500e6", "4096", "1e-4", "50000", "0.1", "0"), {{"run.precision", "float16"}});
  if (folder == "ffhq64") return options("200e6", "256", "2e-4", "500", "0.05", "0.15");
  if (folder == "afhqv2_64") return options("200e6", "256", "2e-4", "500", "0.25", "0.15");
  return options("200e6", "512", "1e-3", "500", "0.13", "0.12");
}

/// f-distill's and DMD2's numbers are those of the data set, not of the method.
Facts integral_on(const std::string& folder) {
  const bool cifar = folder == "cifar10_cond";
  Facts facts{{"run.batch", cifar ? "2048" : "512"},
              {"run.images", cifar ? "204.8e6" : "307.2e6"},  // 100,000 and 600,000 steps
              {"task.student.ema.half_life_kimg", test::half_life(cifar ? 2048 : 512)},
              {"task.adversarial.weight", cifar ? "1e-3" : "3e-3"}};
  test::set_optimisers(facts, {"student", "fake", "discriminator"},
                       {{"learning_rate.peak", cifar ? "1e-4" : "2e-6"}});
  return facts;
}

/// What is ours follows Stable Diffusion's recipes (latent.md 6 and 7) in what those can say.
Facts ours(const std::string& method) {
  Facts facts{{"task.recompute", "blocks"}};
  if (method == "sid") {
    facts = with(facts, {{"run.batch", "512"},
                         {"run.images", "10e6"},
                         {"task.loss.alpha", "1"},
                         {"task.teacher_guidance", "1.5"},
                         {"task.fake.guidance", "1.5"},
                         {"task.fake.training_guidance", "1.5"},
                         {"task.student.ema.half_life_kimg", "50"},
                         {"task.student.generator.sigma_init", "2.5"}});
    test::set_optimisers(facts, {"student", "fake"},
                         {{"learning_rate.peak", "1e-6"}, {"beta1", "0"}, {"beta2", "0.999"}});
  } else if (method == "f_distill") {
    facts = with(facts, {{"run.batch", "2048"},
                         {"run.images", std::to_string(39'000 * 2048)},
                         {"task.teacher_guidance", "1.75"},
                         {"task.divergence.name", "jensen_shannon"},
                         {"task.ratio.minimum", "0.1"},
                         {"task.ratio.maximum", "20"},
                         {"task.fake.updates_per_student", "10"},
                         {"task.fake.weighting", "none"},
                         {"task.ratio.bins", "linear in time"},
                         {"task.sigma.from", "0.001"},
                         {"task.sigma.to", "0.999"},
                         {"task.adversarial.weight", "1e-3"},
                         {"task.discriminator.weight", "1"}});
    test::set_optimisers(facts, {"student", "fake", "discriminator"},
                         {{"learning_rate.peak", "1e-5"}, {"clip_norm", "10"}});
  } else {
    facts = {{"task.preconditioning.rule", "flow_to_data"},
             {"task.preconditioning.sigma_data", "1"},
             {"task.weighting", "native"},
             {"task.sigma.kind", "lognormal"},
             {"run.batch", "256"},
             {"task.optimizer.learning_rate.peak", "1e-4"},
             {"task.network.label_dropout", "0.1"},
             {"task.ema.half_life_kimg", test::half_life(256)}};
  }
  return facts;
}

Facts facts_of(const Experiment& experiment) {
  const std::string &folder = experiment.set->folder, method = experiment.method();
  if (folder == "imagenet256") return ours(method);
  if (method == "teacher") return teacher_of(folder);
  const Facts paper = test::facts_of_papers().at(method == "sid2a" ? "sida" : method);
  if (method == "f_distill" || method == "dmd2") return with(paper, integral_on(folder));
  const Facts here = with(paper, on(folder));
  if (method == "sid") return with(here, sid_of(folder));
  if (method == "sid2a") return with(here, {{"run.images", "100e6"}});
  const bool short_run = method == "sida" && (folder == "ffhq64" || folder == "afhqv2_64");
  return with(here, {{"run.images", short_run ? "200e6" : "300e6"}});
}

}  // namespace

TEST_CASE("every experiment as published can be planned, and costs what its head says") {
  int64_t planned = 0;
  const std::vector<Experiment> all = experiments();
  for (const Set& set : kSets) {
    const StandIns files(set);
    const double pass = static_cast<double>(pass_cost(load_denoiser(files.teacher, at::kMeta)).macs);
    INFO(set.folder << ": " << pass * 1e-9 << " GMAC a pass");
    if (set.gmac > 0) CHECK(pass * 1e-9 == Approx(set.gmac).epsilon(0.02));
    for (const Experiment& experiment : all) {
      if (experiment.set != &set) continue;
      INFO(experiment.name);
      const TrainConfig config = files.read(experiment);
      const TaskCost cost = cost_of(config);
      const bool own_teacher = experiment.name == "imagenet256/teacher";  // SiT-B/2
      for (const auto& [network, parameters] : cost.parameters)
        if (network != "discriminator") CHECK(parameters == (own_teacher ? 130'315'808 : set.parameters));
      const auto passes = kPasses.find(experiment.name);
      const double expected = passes == kPasses.end() ? kPasses.at(experiment.method()) : passes->second;
      if (own_teacher)
        CHECK(cost.macs_per_image * 1e-9 == Approx(3 * 23.0).epsilon(0.02));
      else
        CHECK(cost.macs_per_image == Approx(expected * pass).epsilon(1e-6));
      CHECK_THAT(first_lines(experiment.file),
                 Catch::Contains("\n# cost: " + cost_text(cost, config.run.images) + "\n") &&
                     Catch::Contains("\n# hardware: ") && Catch::Contains("\n# expected FID: "));
      CHECK(cost.bytes < 80e9);  // a card's
      CHECK(config.run.dir == "runs/" + experiment.name);
      CHECK(config.run.device == "cuda");
      ++planned;
    }
  }
  CHECK(planned == static_cast<int64_t>(all.size()));
  CHECK(planned > 25);
}

TEST_CASE("experiments carry their papers' numbers, or say where they differ") {
  for (const Experiment& experiment : experiments()) {
    INFO(experiment.name);
    CHECK(faults(experiment, facts_of(experiment)) == std::vector<std::string>{});
  }
}

TEST_CASE("the teachers that are trained are the published networks") {
  for (const Set& set : kSets) {
    INFO(set.folder);
    const config::Node file = config::load(kConfigs / set.folder / "teacher.yaml");
    const DenoiserConfig trained = std::get<DenoiseConfig>(config::read<TrainConfig>(file).task).denoiser;
    const bool latents = set.folder == "imagenet256";
    CHECK(config::to_yaml(trained) == config::to_yaml(denoiser_of(latents ? "dit_b_2" : set.network)));
  }
}

TEST_CASE("the design's cost of a cycle of f-distill and its memory of a parameter are ours") {
  // 26 passes for a cycle of five steps; SiD on latents with student, fake score, teacher and an average:
  // 18 + 18 + 2 + 4 bytes a parameter where networks run in bfloat16. In float32 there are no copies of that
  // (-2 - 2), the teacher has 4 bytes (+2), and steps are summed over shards apart: student and fake score
  // (+4 + 4), and what is to be divided by the mean of h (+4). Activations are those of five passes at once:
  // the student's, and the guided teacher's and fake score's two each.
  CHECK(5 * kPasses.at("f_distill") == Approx(26).epsilon(0.02));
  const Set& set = kSets.back();
  const StandIns files(set);
  const TrainConfig config = files.read({&set, "imagenet256/sid", kConfigs / "imagenet256/sid.yaml"});
  Denoiser network = load_denoiser(files.teacher, at::kMeta);
  set_recompute(network, "blocks");
  const auto activations = static_cast<double>(pass_cost(network).activations);
  CHECK(cost_of(config).bytes ==
        Approx((42 - 4 + 2 + 12) * static_cast<double>(set.parameters) + 5 * 4.0 * 16 * activations)
            .epsilon(1e-6));
}
