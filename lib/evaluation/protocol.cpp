// SPDX-License-Identifier: Apache-2.0
#include "evaluation/protocol.h"

#include "config/config.h"
#include "config/merge.h"
#include "config/named_rows.h"
#include "io/progress.h"

namespace onestep {

const std::vector<Protocol>& protocol_table() {
  static const std::vector<Protocol> table{
      {"none", "nothing but the defaults", "{}"},
      {"quick", "a first look: 1,000 images, FID and KID", "{images: 1000, metrics: [fid, kid]}"},
      {"edm", "published numbers: three sets of 50,000 seeds, Inception features",
       "{images: 50000, seed_sets: 3, first_seed: 0, classes: seeds, batch: 64, features: {kind: "
       "inception}}"},
  };
  return table;
}

std::vector<std::string> protocol_names() {
  return config::names_of(protocol_table());
}

config::Node with_protocol(const config::Node& tree) {
  const config::Node* name = config::find(tree, "protocol");
  const Protocol* const protocol = name == nullptr ? nullptr : config::find_row(protocol_table(), name->text);
  if (protocol == nullptr) return tree;  // a name that is none is told when the configuration is read
  config::Node whole = config::parse(protocol->yaml, "protocol " + protocol->name);
  config::merge(whole, tree);
  return whole;
}

std::vector<std::string> departures_from_edm(const EvaluateConfig& config,
                                             const std::string& weights_origin) {
  constexpr int64_t kImages = 50000, kSets = 3;
  std::vector<std::string> departures;
  const auto expect = [&](bool kept, const std::string& otherwise) {
    if (!kept) departures.push_back(otherwise);
  };
  const bool inception = std::holds_alternative<InceptionFeatures>(config.features);
  expect(inception, "features are not those of Inception");
  expect(!inception || !weights_origin.empty(),
         "the file of the Inception weights does not say where they are from (scripts/convert_inception.py "
         "writes it)");
  if (!std::holds_alternative<ModelSubject>(config.subjects.front())) {
    departures.push_back("the images were not drawn here: their number and seeds are as they came");
    return departures;
  }
  const int64_t images = images_to_draw(config);
  expect(images == kImages, io::format_count(images) + " images instead of 50,000");
  expect(config.seed_sets == kSets, std::to_string(config.seed_sets) +
                                        (config.seed_sets == 1 ? " set" : " sets") +
                                        " of seeds instead of 3");
  expect(config.first_seed == 0, "seeds start at " + std::to_string(config.first_seed) + " instead of 0");
  expect(config.classes == "seeds", "classes are balanced instead of drawn from the seeds");
  return departures;
}

}  // namespace onestep
