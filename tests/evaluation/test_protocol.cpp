// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <catch2/catch.hpp>

#include "config/config.h"
#include "evaluation/protocol.h"

namespace onestep {
namespace {

using Catch::Contains;

EvaluateConfig read_with_protocol(const std::string& yaml) {
  return config::read<EvaluateConfig>(with_protocol(config::parse(yaml, "test")));
}

const std::string kHead =
    "out: x\nreference: {kind: features, path: r.npz}\nsubjects:\n  - {kind: model, name: a, path: "
    "a.safetensors}\n";
const std::string kOrigin = "inception-2015-12-05.pt";
const std::string kInception = "features: {model: i.safetensors}\n";

TEST_CASE("a protocol says what the user does not") {
  const EvaluateConfig edm = read_with_protocol(kHead + kInception + "protocol: edm\n");
  CHECK(edm.images == 50000);
  CHECK(edm.seed_sets == 3);
  CHECK(edm.classes == "seeds");
  CHECK(std::get<InceptionFeatures>(edm.features).model == "i.safetensors");
  CHECK(departures_from_edm(edm, kOrigin).empty());

  const EvaluateConfig fewer =
      read_with_protocol(kHead + kInception + "protocol: edm\nimages: 500\nseed_sets: 1\n");
  CHECK(fewer.images == 500);
  CHECK(departures_from_edm(fewer, kOrigin) ==
        std::vector<std::string>{"500 images instead of 50,000", "1 set of seeds instead of 3"});

  const EvaluateConfig quick =
      read_with_protocol(kHead + "features: {model: c.safetensors}\nprotocol: quick\nmetrics: [fid]\n");
  CHECK(quick.images == 1000);
  CHECK(quick.metrics == std::vector<std::string>{"fid"});
  CHECK(std::holds_alternative<ClassifierFeatures>(quick.features));
}

TEST_CASE("every departure from the EDM protocol is named") {
  const auto departures = [](const std::string& changes) {
    const EvaluateConfig config = read_with_protocol(kHead + "protocol: edm\n" + changes);
    const std::vector<std::string> all = departures_from_edm(config, kOrigin);
    REQUIRE(all.size() == 1);
    return all[0];
  };
  CHECK(departures("features: {kind: pixels}\n") == "features are not those of Inception");
  CHECK(departures(kInception + "first_seed: 7\n") == "seeds start at 7 instead of 0");
  CHECK(departures(kInception + "classes: balanced\n") ==
        "classes are balanced instead of drawn from the seeds");
  CHECK(departures(kInception + "images: 49999\n") == "49,999 images instead of 50,000");
  const EvaluateConfig edm = read_with_protocol(kHead + "protocol: edm\n" + kInception);
  REQUIRE(departures_from_edm(edm, "").size() == 1);
  CHECK_THAT(departures_from_edm(edm, "")[0], Contains("does not say where they are from"));
  EvaluateConfig drawn_elsewhere = read_with_protocol(kHead + "protocol: edm\n" + kInception);
  drawn_elsewhere.images = 7;  // says nothing of files
  drawn_elsewhere.subjects = {FeaturesSubject{.name = "a", .path = "a.npz"}};
  CHECK(departures_from_edm(drawn_elsewhere, kOrigin) ==
        std::vector<std::string>{"the images were not drawn here: their number and seeds are as they came"});
}

TEST_CASE("an unknown protocol is refused with a hint") {
  CHECK_THROWS_WITH(read_with_protocol(kHead + kInception + "protocol: emd\n"),
                    Contains("did you mean 'edm'"));
}

}  // namespace
}  // namespace onestep
