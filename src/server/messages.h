// Everything that the server says to people, in each language that it speaks: one catalogue.
#ifndef FRACTAL_SRC_SERVER_MESSAGES_H
#define FRACTAL_SRC_SERVER_MESSAGES_H

#include <string>
#include <string_view>

namespace fractal::server {

enum class Language { english, spanish };

// Of a header: without the blanks around it.
std::string_view trimmed(std::string_view text);

bool same_letters(std::string_view one, std::string_view other);  // but for their case, in ASCII

// By an Accept-Language header: the language that it likes best of those there are; English if none.
Language language_of(std::string_view accept_language);
std::string_view code_of(Language language);  // "en"

enum class Say {
  cannot_parse_body,
  coordinate_empty,
  coordinate_format,  // {0}: as sent
  unauthorized,
  missing_authorization,
  invalid_token,
  permission_denied,
  memory_not_found,
  not_found,
  method_not_allowed,
  body_too_large,
  header_too_large,
  bad_request,
  conflict,
  unavailable,
  internal,
  unhealthy,
  rate_limited,
  changes_forgotten,  // {0}: a sequence number
  // Items of a 422.
  field_required,
  valid_string,
  valid_dictionary,
  valid_list,
  valid_choice,  // {0}: 'a' or 'b'
  valid_model,   // {0}: name of the schema
  valid_integer,
  integer_parsing,
  integer_from_float,
  valid_number,
  number_parsing,
  valid_boolean,
  boolean_parsing,
  greater_equal,    // {0}
  less_equal,       // {0}
  string_too_long,  // {0}: characters
  list_too_long,    // {0}: items
  finite_number,
  unicode_string,
  too_deep,  // {0}: levels
  invalid_json,
  value_error,  // {0}: why
};

// Errors of the library stay in English: they are for the developer who reads them.
std::string say(Say what, Language language, std::string_view value = {});

}  // namespace fractal::server

#endif
