// SPDX-License-Identifier: Apache-2.0
#include "parallel/agreement.h"

#include <algorithm>

#include "config/node.h"
#include "parallel/together.h"

namespace onestep {
namespace {

constexpr char kEnd = '\x1f';  // of a name or a value: no text holds it

std::string text_of(const Facts& facts) {
  std::string text;
  for (const auto& [name, value] : facts) text += name + kEnd + value + kEnd;
  return text;
}

Facts facts_of(const std::string& text) {
  Facts facts;
  for (size_t begin = 0; begin < text.size();) {
    const size_t middle = text.find(kEnd, begin), end = text.find(kEnd, middle + 1);
    facts.emplace_back(text.substr(begin, middle - begin), text.substr(middle + 1, end - middle - 1));
    begin = end + 1;
  }
  return facts;
}

std::string value_of(const Facts& facts, const std::string& name) {
  const auto found = std::ranges::find(facts, name, &std::pair<std::string, std::string>::first);
  return found == facts.end() ? "nothing" : config::shown(found->second);
}

/// "run.seed (7, not 0), device (…)": what is otherwise than on rank 0.
std::string differences(const Facts& first, const Facts& other) {
  std::string text;
  const auto add = [&](const std::string& name) {
    const std::string is = value_of(other, name), wanted = value_of(first, name);
    if (is != wanted) text += (text.empty() ? "" : ", ") + name + " (" + is + ", not " + wanted + ")";
  };
  for (const auto& [name, value] : first) add(name);
  for (const auto& [name, value] : other)
    if (value_of(first, name) == "nothing") add(name);
  return text;
}

}  // namespace

void agree(const Communicator& communicator, const Facts& facts) {
  if (communicator.size == 1) return;
  const std::vector<std::string> all = gather_texts(communicator, text_of(facts));
  together(communicator, [&] {
    for (int rank = 1; rank < communicator.size && communicator.rank == 0; ++rank)
      if (all[rank] != all.front())
        throw config::ConfigError("rank " + std::to_string(rank) + " differs from rank 0 in " +
                                  differences(facts, facts_of(all[rank])));
  });
}

}  // namespace onestep
