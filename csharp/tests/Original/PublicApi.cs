using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;

namespace Fastway.Tests.Original
{
    /// <summary>What a program can name of a type, one line for each member.</summary>
    internal static class PublicApi
    {
        private const BindingFlags Everything =
            BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.FlattenHierarchy;

        /// <summary>All of it, with what is inherited.</summary>
        public static IEnumerable<string> LinesOf(Type type)
        {
            yield return type.FullName + " is " + Kind(type);
            foreach (var ancestor in Ancestors(type))
            {
                yield return type.FullName + " derives from " + ancestor.FullName;
            }
            foreach (var member in type.GetMembers(Everything).Select(Line).Where(line => line != null))
            {
                yield return type.FullName + ": " + member;
            }
        }

        private static string Kind(Type type)
        {
            var kind = typeof(Delegate).IsAssignableFrom(type) ? "delegate" : type.IsValueType ? "struct" : "class";
            return kind == "class" && type.IsSealed ? "sealed class" : kind;
        }

        private static IEnumerable<Type> Ancestors(Type type)
        {
            for (var ancestor = type.BaseType; ancestor != null && ancestor != typeof(object); ancestor = ancestor.BaseType)
            {
                yield return ancestor;
            }
        }

        private static string Line(MemberInfo member)
        {
            var field = member as FieldInfo;
            if (field != null)
            {
                return (field.IsStatic ? "static " : "") + (field.IsInitOnly ? "readonly " : "") + Name(field.FieldType)
                    + " " + field.Name;
            }
            var constructor = member as ConstructorInfo;
            if (constructor != null)
            {
                return "new(" + Parameters(constructor) + ")";
            }
            var method = member as MethodInfo;
            return method == null
                ? null
                : (method.IsStatic ? "static " : "") + Name(method.ReturnType) + " " + method.Name + "("
                    + Parameters(method) + ")";
        }

        private static string Parameters(MethodBase method)
        {
            return string.Join(", ", method.GetParameters().Select(
                parameter => (parameter.IsOut ? "out " : "") + Name(parameter.ParameterType) + " " + parameter.Name));
        }

        private static string Name(Type type)
        {
            return type.IsByRef ? Name(type.GetElementType()) : type.FullName;
        }
    }
}
