// SPDX-License-Identifier: Apache-2.0
#include "parallel/communicator.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "config/node.h"
#include "parallel/canonical_sum.h"
#include "parallel/listen.h"
#include "parallel/nccl.h"

namespace onestep {

using Clock = std::chrono::steady_clock;
using Backend = c10::intrusive_ptr<c10d::Backend>;
using Work = c10::intrusive_ptr<c10d::Work>;

class Group {
 public:
  c10::intrusive_ptr<c10d::Store> store;
  Backend host, flags;  ///< Gloo; flags travel while tensors do, and must not share their order
  Backend device;       ///< NCCL; null where all tensors are the host's
  std::chrono::seconds patience{};
  double seconds = 0;
  bool lost = false;

  ~Group() {
    if (!lost || !host) return;
    // Taking connections of a dead rank down takes longer than the process has to live.
    for (Backend* backend : {&host, &flags, &device}) (void)backend->release();
    (void)store.release();
  }
};

namespace {

/// c10 appends where an error was thrown.
std::string first_line(const std::exception& error) {
  const auto* const c10_error = dynamic_cast<const c10::Error*>(&error);
  std::string text = c10_error != nullptr ? c10_error->what_without_backtrace() : error.what();
  // Gloo's begin with where they were thrown: "[/…/pair.cc:547] Connection closed by peer".
  if (text.starts_with("[/") && text.find("] ") != std::string::npos) text.erase(0, text.find("] ") + 2);
  return text.substr(0, text.find('\n'));
}

/// What a backend throws has no type of ours.
template <class F>
auto or_lost(Group& group, F&& communicate) {
  const Clock::time_point start = Clock::now();
  struct Watch {
    Group& group;
    Clock::time_point start;
    ~Watch() { group.seconds += std::chrono::duration<double>(Clock::now() - start).count(); }
  } watch{group, start};
  try {
    return communicate();
  } catch (const std::exception& error) {
    group.lost = true;
    throw RankLost("a rank was lost: " + first_line(error));
  }
}

Backend& backend_of(const Communicator& c, const at::Tensor& tensor) {
  return tensor.is_cpu() ? c.group->host : c.group->device;
}

/// First of each rank's rows.
std::vector<int64_t> places_of(const std::vector<int64_t>& rows) {
  std::vector<int64_t> places{0};
  for (const int64_t count : rows) places.push_back(places.back() + count);
  return places;
}

std::vector<int64_t> with_rows(const at::Tensor& tensor, int64_t rows) {
  std::vector<int64_t> shape = tensor.sizes().vec();
  shape.front() = rows;
  return shape;
}

/// Each rank's slice of n numbers, the first ones larger.
std::vector<int64_t> slices_of(int64_t n, int size) {
  std::vector<int64_t> counts(size, n / size);
  for (int64_t i = 0; i < n % size; ++i) ++counts[i];
  return counts;
}

/// A row of every rank.
std::vector<int64_t> one_of_each(const Communicator& c) {
  return std::vector<int64_t>(c.size, 1);
}

c10::intrusive_ptr<c10d::Store> open_store(const Ranks& ranks, std::chrono::seconds patience) {
  c10d::TCPStoreOptions options;
  options.port = ranks.port;
  options.isServer = ranks.rank == 0 && !ranks.served;
  options.waitWorkers = false;
  options.timeout = patience;
  // Ranks of one machine meet where nobody else can come in, whatever its address is.
  const std::string address = ranks.one_machine && !ranks.served ? "127.0.0.1" : ranks.address;
  const std::string place = address + ":" + std::to_string(ranks.port);
  if (options.isServer) {
    const int socket = ranks.listening >= 0
                           ? ranks.listening
                           : listen_at(ranks.one_machine ? "127.0.0.1" : "0.0.0.0", ranks.port);
    if (socket < 0)
      throw config::ConfigError("cannot listen at " + place + ": " + std::generic_category().message(errno) +
                                "; another run may meet there (MASTER_PORT, --master)");
    options.masterListenFd = socket;
  }
  try {
    return c10::make_intrusive<c10d::PrefixStore>("onestep/" + ranks.attempt,
                                                  c10::make_intrusive<c10d::TCPStore>(address, options));
  } catch (const std::exception& error) {
    throw config::ConfigError("rank " + std::to_string(ranks.rank) + " finds no store at " + place + ": " +
                              first_line(error));
  }
}

Backend open_gloo(const c10::intrusive_ptr<c10d::Store>& store, const char* name, const Ranks& ranks,
                  std::chrono::seconds patience) {
  using c10d::ProcessGroupGloo;
  auto options = ProcessGroupGloo::Options::create(patience);
  const char* const interface = std::getenv("GLOO_SOCKET_IFNAME");
  options->devices.push_back(ranks.one_machine      ? ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                             : interface != nullptr ? ProcessGroupGloo::createDeviceForInterface(interface)
                                                    : ProcessGroupGloo::createDefaultDevice());
  return c10::make_intrusive<ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>(name, store),
                                               ranks.rank, ranks.size, options);
}

}  // namespace

Communicator connect(const Ranks& ranks, std::chrono::seconds patience) {
  if (ranks.size == 1) return {};
  const auto group = std::make_shared<Group>();
  group->patience = patience;
  group->store = open_store(ranks, patience);
  try {
    // All are there before the first group is made, which would wait without a word.
    const auto key = [](int rank) { return "rank/" + std::to_string(rank); };
    group->store->set(key(ranks.rank), std::string("here"));
    for (int rank = 0; rank < ranks.size; ++rank) {
      try {
        group->store->wait({key(rank)}, patience);
      } catch (const std::exception&) {
        throw RankLost("rank " + std::to_string(rank) + " of " + std::to_string(ranks.size) +
                       " did not come within " + std::to_string(patience.count()) + " s");
      }
    }
    group->host = open_gloo(group->store, "host", ranks, patience);
    group->flags = open_gloo(group->store, "flags", ranks, patience);
  } catch (const RankLost&) {
    group->lost = true;
    throw;
  } catch (const std::exception& error) {
    group->lost = true;
    throw RankLost("the ranks did not find each other: " + first_line(error));
  }
  return {ranks.rank, ranks.size, ranks.local_rank, group};
}

void connect_device(const Communicator& c, at::Device device) {
  if (c.size == 1 || device.is_cpu()) return;
  or_lost(*c.group,
          [&] { c.group->device = open_nccl(c.group->store, c.rank, c.size, device, c.group->patience); });
}

std::vector<std::string> gather_texts(const Communicator& c, const std::string& text) {
  if (c.size == 1) return {text};
  const at::Tensor length = at::zeros({1}, at::kLong).fill_(static_cast<int64_t>(text.size()));
  const at::Tensor lengths = gather(c, length, one_of_each(c));
  const int64_t* const first = lengths.const_data_ptr<int64_t>();
  const std::vector<int64_t> rows(first, first + c.size);
  const at::Tensor bytes = at::empty({length.item<int64_t>()}, at::kByte);
  std::copy(text.begin(), text.end(), bytes.mutable_data_ptr<uint8_t>());
  const at::Tensor all = gather(c, bytes, rows);
  std::vector<std::string> texts;
  const auto* place = reinterpret_cast<const char*>(all.const_data_ptr<uint8_t>());
  for (const int64_t row : rows) {
    texts.emplace_back(place, row);
    place += row;
  }
  return texts;
}

void broadcast(const Communicator& c, at::Tensor tensor) {
  if (c.size == 1 || tensor.numel() == 0) return;
  or_lost(*c.group, [&] {
    std::vector<at::Tensor> one{tensor.contiguous()};
    backend_of(c, tensor)->broadcast(one)->wait();
    if (!one.front().is_same(tensor)) tensor.copy_(one.front());
  });
}

int64_t broadcast(const Communicator& c, int64_t number) {
  const at::Tensor one = at::zeros({1}, at::kLong).fill_(number);
  broadcast(c, one);
  return one.item<int64_t>();
}

at::Tensor gather(const Communicator& c, const at::Tensor& mine, const std::vector<int64_t>& rows) {
  if (c.size == 1) return mine;
  return or_lost(*c.group, [&] {
    const int64_t most = *std::max_element(rows.begin(), rows.end());
    if (most == 0) return mine;
    at::Tensor padded = at::zeros(with_rows(mine, most), mine.options());
    padded.narrow(0, 0, mine.size(0)).copy_(mine);
    std::vector<int64_t> shape = padded.sizes().vec();
    shape.insert(shape.begin(), c.size);
    const at::Tensor all = at::empty(shape, mine.options());
    at::Tensor in = padded.view(-1), out = all.view(-1);
    backend_of(c, mine)->_allgather_base(out, in)->wait();
    std::vector<at::Tensor> parts;
    for (int rank = 0; rank < c.size; ++rank) parts.push_back(all[rank].narrow(0, 0, rows[rank]));
    return at::cat(parts);
  });
}

at::Tensor gather_on_first(const Communicator& c, const at::Tensor& mine, const std::vector<int64_t>& rows) {
  if (c.size == 1) return mine;
  return or_lost(*c.group, [&]() -> at::Tensor {
    Backend& backend = backend_of(c, mine);
    if (c.rank != 0) {
      std::vector<at::Tensor> one{mine.contiguous()};
      if (mine.numel() > 0) backend->send(one, 0, 0)->wait();
      return {};
    }
    const std::vector<int64_t> places = places_of(rows);
    const at::Tensor all = at::empty(with_rows(mine, places.back()), mine.options());
    all.narrow(0, 0, rows[0]).copy_(mine);
    for (int rank = 1; rank < c.size; ++rank) {
      std::vector<at::Tensor> one{all.narrow(0, places[rank], rows[rank])};
      if (one.front().numel() > 0) backend->recv(one, rank, 0)->wait();
    }
    return all;
  });
}

at::Tensor scatter_from_first(const Communicator& c, const at::Tensor& all, const at::Tensor& like,
                              const std::vector<int64_t>& rows) {
  if (c.size == 1) return all;
  return or_lost(*c.group, [&] {
    const std::vector<int64_t> places = places_of(rows);
    if (c.rank != 0) {
      std::vector<at::Tensor> one{at::empty(with_rows(like, rows[c.rank]), like.options())};
      if (one.front().numel() > 0) backend_of(c, like)->recv(one, 0, 0)->wait();
      return one.front();
    }
    for (int rank = 1; rank < c.size; ++rank) {
      std::vector<at::Tensor> one{all.narrow(0, places[rank], rows[rank]).contiguous()};
      if (one.front().numel() > 0) backend_of(c, all)->send(one, rank, 0)->wait();
    }
    return all.narrow(0, 0, rows[0]);
  });
}

void all_reduce(const Communicator& c, at::Tensor tensor) {
  if (c.size == 1) return;
  TORCH_CHECK(tensor.is_contiguous(), "all_reduce: the tensor must be contiguous");
  or_lost(*c.group, [&] {
    Backend& backend = backend_of(c, tensor);
    at::Tensor flat = tensor.view(-1);
    const std::vector<int64_t> slices = slices_of(flat.numel(), c.size), places = places_of(slices);
    const int64_t mine = slices[c.rank];
    std::vector<int64_t> send = slices, receive(c.size, mine);  // taken by the call
    at::Tensor rows = at::empty({c.size * mine}, flat.options());
    backend->alltoall_base(rows, flat, receive, send)->wait();
    if (mine > 0) flat.narrow(0, places[c.rank], mine).copy_(add_rows(rows.view({c.size, mine})));
    // A broadcast of each slice: Gloo's all-gather would copy all of them twice.
    std::vector<Work> works;
    std::vector<std::vector<at::Tensor>> parts;
    for (int rank = 0; rank < c.size; ++rank) {
      if (slices[rank] == 0) continue;
      parts.push_back({flat.narrow(0, places[rank], slices[rank])});
      c10d::BroadcastOptions options;
      options.rootRank = rank;
      works.push_back(backend->broadcast(parts.back(), options));
    }
    for (const Work& work : works) work->wait();
  });
}

bool any(const Communicator& c, bool mine) {
  if (c.size == 1) return mine;
  const at::Tensor all = gather(c, at::zeros({1}, at::kByte).fill_(mine), one_of_each(c));
  return all.any().item<bool>();
}

void barrier(const Communicator& c) {
  if (c.size > 1) or_lost(*c.group, [&] { c.group->host->barrier()->wait(); });
}

double seconds_in_communication(const Communicator& c) {
  return c.size == 1 ? 0 : c.group->seconds;
}

struct StopFlag::Flight {
  std::vector<at::Tensor> flag{at::zeros({1}, at::kInt)};
  Work work;
};

StopFlag::StopFlag(Communicator communicator)
    : communicator_(std::move(communicator)), flight_(std::make_unique<Flight>()) {}

StopFlag::~StopFlag() = default;

bool StopFlag::heard(bool wanted) {
  if (communicator_.size == 1) return wanted;
  return or_lost(*communicator_.group, [&] {
    bool any = false;
    if (flight_->work) {
      flight_->work->wait();
      any = flight_->flag.front().item<int>() > 0;
    }
    flight_->flag.front().fill_(wanted ? 1 : 0);
    flight_->work = communicator_.group->flags->allreduce(flight_->flag);
    return any;
  });
}

}  // namespace onestep
