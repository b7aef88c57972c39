// An embedder whose vectors can be told by hand.
#ifndef FRACTAL_TESTS_BAG_EMBEDDER_H
#define FRACTAL_TESTS_BAG_EMBEDDER_H

#include <fractal/embedder.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace engine {

// One component a word of its vocabulary; what it does not know says nothing.
class Bag final : public fractal::Embedder {
 public:
  Bag(std::string name, std::vector<std::string> words) : words_(std::move(words)) {
    identity_ = {.name = std::move(name), .dimension = words_.size(), .digest = "00ff"};
  }
  const fractal::EmbedderIdentity& identity() const noexcept override { return identity_; }
  double alpha() const noexcept override { return 0.25; }

  fractal::Result<std::vector<std::vector<float>>> embed(std::span<const std::string_view> texts,
                                                         const fractal::Control&) const override {
    if (before) before();
    if (fail) return fractal::Error{fractal::Errc::unavailable, "the embedder is away"};
    std::vector<std::vector<float>> vectors;
    for (const std::string_view text : texts) vectors.push_back(one(text));
    embedded += texts.size();
    return vectors;
  }

  std::function<void()> before{};  // what else happens while it works
  std::atomic<bool> fail{false};
  mutable std::atomic<std::size_t> embedded{0};

 private:
  std::vector<float> one(std::string_view text) const {
    std::vector<float> vector(words_.size());
    bool any = false;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (text.find(words_[i]) == text.npos) continue;
      vector[i] = 2;
      any = true;
    }
    return any ? vector : std::vector<float>();
  }

  std::vector<std::string> words_;
  fractal::EmbedderIdentity identity_;
};

inline const std::vector<std::string> drinks{"tea", "coffee", "cup", "kettle"};
inline const std::vector<std::string> places{"Lyon", "Porto", "tea", "harbour", "river"};

inline std::shared_ptr<Bag> drink_bag() { return std::make_shared<Bag>("drinks", drinks); }
inline std::shared_ptr<Bag> place_bag() { return std::make_shared<Bag>("places", places); }

inline std::string text(std::string_view words) { return "{\"text\": \"" + std::string(words) + "\"}"; }

}  // namespace engine

#endif
