// Keeps the click that a visitor came by, and hands it to the checkout. Settings are attributes of the script's element:
// data-days: for how long, 60 days unless said otherwise; data-domain: on a domain with all its subdomains.
// What is served is this without comments and indentation, so each line ends where it may.
(function (page) {
  var settings = (page.currentScript || {}).dataset || {};
  function find(text) {
    return (/(?:^|[?&]|; )rk_click=(clk_[0-9a-f]{32})(?=[;&]|$)/.exec(text) || [])[1];
  }
  var came = find(location.search);
  if (came)
    page.cookie = "rk_click=" + came + "; path=/; samesite=lax; max-age=" + (settings.days || 60) * 86400 +
      (settings.domain ? "; domain=" + settings.domain : "") + (location.protocol == "https:" ? "; secure" : "");
  // The click's id, or null.
  function click() {
    return came || find(page.cookie) || null;
  }
  // Hands it to what is on the page now; call it again for what is put there later.
  function apply() {
    var id = click(), name = "client_reference_id";
    function each(what, act) {
      if (id) page.querySelectorAll(what).forEach(act);
    }
    each('a[href^="https://buy.stripe.com/"]', function (link) {
      var url = new URL(link.href);
      if (url.searchParams.has(name)) return;
      url.searchParams.set(name, id);
      link.href = url;
    });
    each("stripe-pricing-table,stripe-buy-button", function (element) {
      var name = "client-reference-id";
      if (!element.hasAttribute(name)) element.setAttribute(name, id);
    });
    each('input[type=hidden][name=rk_click]', function (input) {
      input.value = id;
    });
  }
  window.rekomi = { click: click, apply: apply };
  if (page.readyState == "loading") page.addEventListener("DOMContentLoaded", apply);
  else apply();
})(document);
