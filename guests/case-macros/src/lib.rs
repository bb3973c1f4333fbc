//! The `#[case]` attribute: turns a documented function into a case by putting its record into the guest's ELF file.
//!
//! **Architecture invariant:** it only writes down what the source says. It never decides whether, where or how a
//! case runs.

#![forbid(unsafe_code)]

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{
    Expr, ExprLit, Ident, ItemFn, Lit, Meta, Token,
    parse::{Parse, ParseStream},
    spanned::Spanned,
};

/// Makes a function a case.
///
/// ```ignore
/// /// A self-IPI written to MSR 83FH is delivered exactly once.
/// #[case(feature = X2ApicSelfIpi, spec = sdm3a("SELF IPI Register"), needs = Needs::X2APIC)]
/// fn x2apic_self_ipi() { … }
/// ```
///
/// `feature` is a name of `case::Feature`; `spec` one clause or several in brackets, made by the functions of
/// `case::spec`; `needs` (optional) an expression of `case::Needs`; `devices` (optional) one of `case::Devices`; `entry` (optional) a name of `case::Entry`;
/// `irqchip` (optional) a name of `case::Irqchip`; `vcpus` (optional) a number; `time` (optional) the factor on the
/// subject's time limit.
///
/// # Errors
/// A missing documentation line, feature or clause, an unknown key, a repeated key, and a function that takes or
/// returns something are compile errors.
#[proc_macro_attribute]
pub fn case(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = syn::parse_macro_input!(arguments as Arguments);
    let function = syn::parse_macro_input!(item as ItemFn);
    expand(&arguments, &function).unwrap_or_else(syn::Error::into_compile_error).into()
}

#[derive(Default)]
struct Arguments {
    feature: Option<Ident>,
    specs: Vec<Expr>,
    needs: Option<Expr>,
    devices: Option<Expr>,
    entry: Option<Ident>,
    irqchip: Option<Ident>,
    nr_vcpus: Option<Expr>,
    time_factor: Option<Expr>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self::default();
        let mut seen = Vec::new();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            if seen.contains(&key) {
                return Err(syn::Error::new(key.span(), format!("`{key}` is given twice")));
            }
            match key.to_string().as_str() {
                "feature" => arguments.feature = Some(input.parse()?),
                "spec" => {
                    arguments.specs = match input.parse()? {
                        Expr::Array(array) => array.elems.into_iter().collect(),
                        one => vec![one],
                    }
                }
                "needs" => arguments.needs = Some(input.parse()?),
                "devices" => arguments.devices = Some(input.parse()?),
                "entry" => arguments.entry = Some(input.parse()?),
                "irqchip" => arguments.irqchip = Some(input.parse()?),
                "vcpus" => arguments.nr_vcpus = Some(input.parse()?),
                "time" => arguments.time_factor = Some(input.parse()?),
                _ => {
                    return Err(syn::Error::new(
                        key.span(),
                        format!(
                            "unknown key `{key}`; known are feature, spec, needs, devices, entry, irqchip, vcpus, time"
                        ),
                    ));
                }
            }
            seen.push(key);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(arguments)
    }
}

fn expand(arguments: &Arguments, function: &ItemFn) -> syn::Result<Tokens> {
    let name = &function.sig.ident;
    if !function.sig.inputs.is_empty() || !matches!(function.sig.output, syn::ReturnType::Default) {
        return Err(syn::Error::new(function.sig.span(), "a case takes nothing and returns nothing"));
    }
    let doc = doc_sentence(function)
        .ok_or_else(|| syn::Error::new(name.span(), "a case must say its rule in a documentation line"))?;
    let feature = arguments
        .feature
        .as_ref()
        .ok_or_else(|| syn::Error::new(name.span(), "a case must name its feature: `feature = …`"))?;
    if arguments.specs.is_empty() {
        return Err(syn::Error::new(name.span(), "a case must cite its clause: `spec = sdm3a(\"…\")`"));
    }
    let specs = &arguments.specs;
    let needs = arguments.needs.as_ref().map(set_expression);
    let needs = needs.unwrap_or_else(|| quote!(::case::Needs::empty()));
    let devices = arguments.devices.as_ref().map(set_expression);
    let devices = devices.unwrap_or_else(|| quote!(::case::Devices::empty()));
    let default = |field: Tokens| quote!(::case::Setup::DEFAULT.#field);
    let entry = arguments.entry.as_ref().map_or_else(|| default(quote!(entry)), |e| quote!(::case::Entry::#e));
    let irqchip = arguments.irqchip.as_ref().map_or_else(|| default(quote!(irqchip)), |i| quote!(::case::Irqchip::#i));
    let nr_vcpus = arguments.nr_vcpus.as_ref().map_or_else(|| default(quote!(nr_vcpus)), |n| quote!(#n));
    let time_factor = arguments.time_factor.as_ref().map_or_else(|| default(quote!(time_factor)), |t| quote!(#t));
    let name_text = name.to_string();
    Ok(quote! {
        #function
        const _: () = {
            #[used]
            #[expect(unsafe_code, reason = "the host reads the records from this section")]
            // SAFETY: the section holds nothing but `CaseRecord`s, each made here.
            #[unsafe(link_section = "vmproof_cases")]
            static RECORD: ::case::CaseRecord = {
                #[expect(unused_imports, reason = "whichever document the clause is in")]
                use ::case::spec::*;
                ::case::CaseRecord::new(
                    #name_text,
                    module_path!(),
                    ::case::Feature::#feature,
                    #doc,
                    file!(),
                    line!(),
                    ::case::Setup { entry: #entry, irqchip: #irqchip, nr_vcpus: #nr_vcpus, time_factor: #time_factor },
                    &[#(#specs),*],
                    #needs,
                    #devices,
                    #name,
                )
            };
        };
    })
}

/// `A | B` on bit sets is not `const`; `union` is.
fn set_expression(expression: &Expr) -> Tokens {
    match expression {
        Expr::Binary(binary) if matches!(binary.op, syn::BinOp::BitOr(_)) => {
            let (left, right) = (set_expression(&binary.left), set_expression(&binary.right));
            quote!(#left.union(#right))
        }
        other => quote!(#other),
    }
}

/// The first paragraph of the documentation, on one line.
fn doc_sentence(function: &ItemFn) -> Option<String> {
    let lines = function.attrs.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    let paragraph: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let sentence = paragraph.join(" ");
    (!sentence.is_empty()).then_some(sentence)
}
