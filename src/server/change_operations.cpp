// Invariant: a client that reads a stream to its end, and goes on with the last id that it saw, misses nothing; where that
// cannot be promised the stream says so, and ends.
#include "src/server/operations.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <memory>
#include <utility>

namespace fractal::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t piece = 500;  // changes
constexpr std::chrono::milliseconds pause{200};
constexpr std::chrono::seconds heartbeat{15};  // or nobody would notice that the client is gone

// As WHATWG's HTML standard has it, section 9.2.6.
std::string event_of(const Change& change) {
  const bool link = change.kind == ChangeKind::linked || change.kind == ChangeKind::unlinked;
  Object data;
  data.count("sequence", change.sequence);
  if (link) {
    data.text("from_coord", change.coordinate.to_string())
        .text("to_coord", change.to.to_string())
        .text("link_type", change.type);
  } else {
    data.text("coord", change.coordinate.to_string());
  }
  return fmt::format("id: {}\nevent: {}\ndata: {}\n\n", change.sequence, to_string(change.kind), data.str());
}

class ChangeStream {
 public:
  ChangeStream(const Call& call, SpaceState state, std::uint64_t after, bool follow)
      : memory_(call.memory), permitted_(call.still_permitted), number_(state.number), after_(after), follow_(follow) {}

  // nullopt: the end; empty: nothing new yet.
  std::optional<std::string> next() {
    if (done_ || !permitted_()) return std::nullopt;
    const SpaceState state = memory_.state().value();
    if ((number_ != 0 && state.number != number_) || state.sequence < after_) return forgotten();
    number_ = state.number;
    std::string text;
    if (state.sequence != seen_) {
      const auto changes = memory_.changes(after_, piece);
      if (!changes && changes.error().code == Errc::not_found) return forgotten();
      for (const Change& change : changes.value()) {
        text += event_of(change);
        after_ = change.sequence;
      }
      if (changes->size() < piece) seen_ = state.sequence;
    }
    if (text.empty() && !follow_) return std::nullopt;
    if (text.empty() && Clock::now() - said_ >= heartbeat) text = ":\n\n";
    if (!text.empty()) said_ = Clock::now();
    return text;
  }

 private:
  std::string forgotten() {
    done_ = true;
    return "event: forgotten\ndata: {}\n\n";
  }

  FractalMemory memory_;
  std::function<bool()> permitted_;
  std::uint64_t number_, after_;
  std::uint64_t seen_ = ~std::uint64_t{0};  // everything up to this sequence has been sent
  bool follow_, done_ = false;
  Clock::time_point said_ = Clock::now();
};

std::optional<std::uint64_t> last_event_of(const Call& call) {
  std::uint64_t number = 0;
  const std::string_view text = call.last_event;
  if (text.empty()) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw Invalid{{{"int_parsing", {"header", "Last-Event-ID"}, Say::integer_parsing}}};
  }
  return number;
}

}  // namespace

Reply get_changes(Call& call) {
  const SpaceState state = call.memory.state().value();
  const auto last = last_event_of(call);
  const auto given = call.query.integer("after");
  const std::uint64_t after = last ? *last : given ? static_cast<std::uint64_t>(*given) : state.sequence;
  const auto known = call.memory.changes(after, 1);
  if (after > state.sequence || (!known && known.error().code == Errc::not_found)) {
    throw Refused{410, Say::changes_forgotten, fmt::to_string(after)};
  }
  const bool follow = call.query.flag("follow").value_or(true);
  const auto stream = std::make_shared<ChangeStream>(call, state, after, follow);
  Reply reply{.body = "retry: 1000\n\n", .type = "text/event-stream"};
  reply.headers.emplace_back("Cache-Control", "no-store");
  reply.more = [stream] { return stream->next(); };
  reply.patient = true;
  reply.pause = pause;
  return reply;
}

}  // namespace fractal::server
