// An ordered map whose copies share their nodes: copying costs one pointer, and a copy stays as it is
// while the original changes. An AVL tree that copies the nodes on the way to a change.
//
// Each node carries the number of the edit that made it, and the same edit may change it in place. So
// an edit number is used once, for changes to a map of which no copy is made before the edit ends.
#ifndef FRACTAL_BACKENDS_MEMORY_ORDERED_MAP_H
#define FRACTAL_BACKENDS_MEMORY_ORDERED_MAP_H

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace fractal::memory_backend {

using Edit = std::uint64_t;

template <class Key, class T>
class OrderedMap {
 public:
  using key_type = Key;

  std::size_t size() const noexcept { return size_; }

  // Null if there is none. Valid until this map is changed.
  template <class Probe>
  const T* find(const Probe& key) const {
    const Node* node = root_.get();
    while (node) {
      const auto order = key <=> node->entry->first;
      if (order == 0) return &node->entry->second;
      node = (order < 0 ? node->left : node->right).get();
    }
    return nullptr;
  }

  void set(Edit edit, Key key, T value) {
    put(root_, edit, std::make_shared<const Entry>(std::move(key), std::move(value)));
  }

  void erase(Edit edit, const Key& key) {
    if (!find(key)) return;
    remove(root_, edit, key);
    --size_;
  }

  // Visits in order (or in falling order) the entries with place(key) == 0, until visit(key, value)
  // says false. place is negative for keys before the range wanted and positive for those beyond it.
  template <class Place, class Visit>
  void walk(bool falling, const Place& place, const Visit& visit) const {
    walk_below(root_.get(), falling, place, visit);
  }

  template <class Visit>
  void walk(const Visit& visit) const {
    walk(false, [](const Key&) { return 0; }, visit);
  }

 private:
  using Entry = std::pair<const Key, T>;
  struct Node;
  using Link = std::shared_ptr<Node>;
  struct Node {
    Edit edit;
    std::shared_ptr<const Entry> entry;
    Link left, right;
    int height = 1;
  };
  using Side = Link Node::*;

  static int height(const Link& node) noexcept { return node ? node->height : 0; }
  static void measure(Node& node) noexcept { node.height = 1 + std::max(height(node.left), height(node.right)); }

  static void own(Link& node, Edit edit) {
    if (node->edit == edit) return;
    node = std::make_shared<Node>(*node);
    node->edit = edit;
  }

  // Puts the child on `side` in the place of its parent. The parent is owned.
  static void lift(Link& node, Edit edit, Side side, Side other) {
    own((*node).*side, edit);
    Link child = std::move((*node).*side);
    (*node).*side = std::move((*child).*other);
    measure(*node);
    (*child).*other = std::move(node);
    node = std::move(child);
    measure(*node);
  }

  static void settle(Link& node, Edit edit, Side side, Side other) {
    if (height((*node).*side) <= height((*node).*other) + 1) return;
    own((*node).*side, edit);
    Link& child = (*node).*side;
    if (height((*child).*side) < height((*child).*other)) lift(child, edit, other, side);
    lift(node, edit, side, other);
  }

  static void settle(Link& node, Edit edit) {
    settle(node, edit, &Node::left, &Node::right);
    settle(node, edit, &Node::right, &Node::left);
    measure(*node);
  }

  void put(Link& node, Edit edit, std::shared_ptr<const Entry> entry) {
    if (!node) {
      node = std::make_shared<Node>(Node{edit, std::move(entry), nullptr, nullptr});
      ++size_;
      return;
    }
    own(node, edit);
    const auto order = entry->first <=> node->entry->first;
    if (order == 0) {
      node->entry = std::move(entry);
      return;
    }
    put(order < 0 ? node->left : node->right, edit, std::move(entry));
    settle(node, edit);
  }

  static void remove(Link& node, Edit edit, const Key& key) {
    own(node, edit);
    const auto order = key <=> node->entry->first;
    if (order != 0) {
      remove(order < 0 ? node->left : node->right, edit, key);
    } else if (!node->left || !node->right) {
      Link rest = std::move(node->left ? node->left : node->right);
      node = std::move(rest);
      return;
    } else {
      const Node* next = node->right.get();
      while (next->left) next = next->left.get();
      const std::shared_ptr<const Entry> entry = next->entry;
      remove(node->right, edit, entry->first);
      node->entry = entry;
    }
    settle(node, edit);
  }

  template <class Place, class Visit>
  static bool walk_below(const Node* node, bool falling, const Place& place, const Visit& visit) {
    if (!node) return true;
    const auto order = place(node->entry->first);
    const Node* left = node->left.get();
    const Node* right = node->right.get();
    if (order != 0) return walk_below(order < 0 ? right : left, falling, place, visit);
    return walk_below(falling ? right : left, falling, place, visit) && visit(node->entry->first, node->entry->second) &&
           walk_below(falling ? left : right, falling, place, visit);
  }

  Link root_;
  std::size_t size_ = 0;
};

}  // namespace fractal::memory_backend

#endif
